# SPDX-License-Identifier: Apache-2.0
"""Arrays in JSON: json-numpy's text, and nothing that harms."""

import base64
import pickle

from hypothesis import given
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from cosmos_policy_ros.policy.remote.codec import CodecError
from cosmos_policy_ros.policy.remote.json_codec import decode_json, encode_json

GOLDEN = '{"__numpy__": "AAAAAAAA8D8AAAAAAAAAQA==", "dtype": "<f8", "shape": [2]}'


def test_an_array_has_the_text_of_json_numpy():
    assert encode_json(np.array([1.0, 2.0])) == GOLDEN
    np.testing.assert_array_equal(decode_json(GOLDEN), [1.0, 2.0])


@given(hnp.arrays(hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)),
                  hnp.array_shapes(min_dims=0)))
def test_an_array_survives_the_journey_to_the_bit(array):
    decoded = decode_json(encode_json({'array': array}))['array']
    assert decoded.dtype == array.dtype and decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


def test_a_scalar_is_an_array_without_dimensions():
    assert decode_json(encode_json(np.float64(1.5))) == 1.5


def test_nan_is_not_sent():
    with pytest.raises(ValueError):
        encode_json(float('nan'))


@pytest.mark.parametrize('data, dtype, shape', [
    (pickle.dumps(print), '|O', [1]), (bytes(8), '<f8,<f8', [1]), (bytes(8), '<f8', [2]),
    (bytes(8), '<f8', None), (bytes(8), None, [1]), (bytes(8), '<f8', [-1])])
def test_an_array_that_could_harm_is_refused(data, dtype, shape):
    with pytest.raises(CodecError):
        decode_json(encode_json({'__numpy__': base64.b64encode(data).decode(), 'dtype': dtype,
                                 'shape': shape}))


@pytest.mark.parametrize('text', [
    '', '{', '[' * 100_000, b'\xff\xfe\xfd', '{"__numpy__": 5, "dtype": "<f8", "shape": [1]}',
    '{"__numpy__": "no base64!", "dtype": "<f8", "shape": [1]}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(CodecError):
        decode_json(text)
