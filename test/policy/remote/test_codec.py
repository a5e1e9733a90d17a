# SPDX-License-Identifier: Apache-2.0
"""Arrays in msgpack: OpenPI's bytes, and nothing that harms."""

from datetime import datetime, timezone
import pickle

from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
import msgpack
import numpy as np
import pytest

from cosmos_policy_ros.policy.remote.codec import CodecError, decode, encode

DTYPES = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(endianness='?'),
    hnp.unsigned_integer_dtypes(endianness='?'), hnp.floating_dtypes(endianness='?',
                                                                     sizes=(16, 32, 64)))


@given(DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0))))
def test_an_array_survives_the_journey_to_the_bit(array):
    decoded = decode(encode(array))
    assert decoded.dtype == array.dtype and decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


def test_an_array_has_the_bytes_that_openpi_sends():
    golden = (b'\x84\xc4\x0b__ndarray__\xc3\xc4\x04data\xc4\x10'
              b'\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40'
              b'\xc4\x05dtype\xa3<f8\xc4\x05shape\x91\x02')
    assert encode(np.array([1.0, 2.0])) == golden
    np.testing.assert_array_equal(decode(golden), [1.0, 2.0])


def test_a_numpy_scalar_keeps_its_dtype():
    golden = b'\x83\xc4\x0d__npgeneric__\xc3\xc4\x04data\x07\xc4\x05dtype\xa3<i4'
    assert encode(np.int32(7)) == golden
    assert decode(golden) == 7 and decode(golden).dtype == np.int32


def test_slices_and_transposed_arrays_arrive_in_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for view in (array[:, ::2], array.transpose(2, 0, 1)):
        np.testing.assert_array_equal(decode(encode(view)), view)


def test_what_was_decoded_cannot_be_written_to():
    with pytest.raises(ValueError, match='read-only'):
        decode(encode(np.zeros(3)))[0] = 1


@pytest.mark.parametrize('value', [
    np.array([object()]), np.array(['text']), np.zeros(2, dtype='f4,i4'), np.zeros(1, complex),
    np.zeros(1, dtype='M8[s]'), {1, 2}, object(), 2**70])
def test_what_no_message_can_hold_is_refused_by_the_sender(value):
    with pytest.raises(CodecError):
        encode({'value': value})


@pytest.mark.parametrize('dtype', [
    '|O', 'O', 'object', '<f8,<i4', '|V8', '<U4', '<c16', '<f16', '(1000000,1000000)<f8', '<M8[s]',
    b'<f8', None, 5, ['<f8']])
def test_a_dtype_that_could_harm_is_refused(dtype):
    message = {b'__ndarray__': True, b'data': pickle.dumps(print), b'dtype': dtype, b'shape': [1]}
    with pytest.raises(CodecError, match='dtype .* is not allowed'):
        decode(msgpack.packb(message))


@pytest.mark.parametrize('shape', [
    [3], [2, 2], [-1], [-2, -1], [2.0], [2**62, 2**62], 2, None, 'ab', [1] * 40, [[2]]])
def test_a_shape_that_does_not_fit_the_bytes_is_refused(shape):
    message = {b'__ndarray__': True, b'data': bytes(16), b'dtype': '<f8', b'shape': shape}
    with pytest.raises(CodecError, match='shape'):
        decode(msgpack.packb(message))


@pytest.mark.parametrize('data', [None, 'text of 8', 7, [0] * 8])
def test_an_array_of_anything_but_bytes_is_refused(data):
    message = {b'__ndarray__': True, b'data': data, b'dtype': '|u1', b'shape': [8]}
    with pytest.raises(CodecError, match='expected 8 bytes'):
        decode(msgpack.packb(message))


@pytest.mark.parametrize('message', [
    b'', b'\xc1', b'\x92\x01', msgpack.packb(1) + b'\x01', msgpack.packb({5: 1}),
    msgpack.packb(msgpack.ExtType(5, b'data')),
    msgpack.packb(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime=True),
    b'\x91' * 5000 + b'\x01', b'\xdd\xff\xff\xff\xff', msgpack.packb([0] * 10_001)])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(CodecError):
        decode(message)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused(data):
    try:
        decode(data)
    except CodecError:
        pass


def test_a_message_that_is_too_large_is_refused_unread():
    data = encode(np.zeros(1000, np.uint8))
    with pytest.raises(CodecError, match='allowed are 1000'):
        decode(data, max_bytes=1000)
    assert decode(data, max_bytes=len(data)).size == 1000
