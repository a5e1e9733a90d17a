# SPDX-License-Identifier: Apache-2.0
"""Arrays in msgpack, as OpenPI writes them.

An array is a map with the keys (bytes) `__ndarray__`: True, `data`: its bytes in C order, `dtype`:
`dtype.str` and `shape`; a scalar one with `__npgeneric__`: True, `data`: a number and `dtype`.
Only numbers and booleans of at most 8 bytes pass; nothing that is decoded can execute code.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
import re

import msgpack
import numpy as np

from cosmos_policy_ros.errors import CosmosPolicyError

MAX_MESSAGE_BYTES = 64 * 2**20

_ARRAY, _SCALAR = b'__ndarray__', b'__npgeneric__'
_DTYPE = re.compile(r'\|[bui]1|[<>](?:[iu][248]|f[248])')
_MAX_DIMENSIONS = 8
_MAX_ITEMS = 10_000


class CodecError(CosmosPolicyError):
    """Bytes that are not a message, or a value that no message can hold."""


def encode(value: object) -> bytes:
    """Write maps, lists, texts, numbers and numpy arrays as msgpack.

    Raises:
        CodecError: If something else is among them.
    """
    try:
        return msgpack.packb(value, default=_encode_numpy)
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f'cannot encode a message: {error}') from error


def decode(data: bytes, *, max_bytes: int = MAX_MESSAGE_BYTES) -> object:
    """Read what `encode` writes; arrays come out read-only.

    Raises:
        CodecError: If the bytes are too many, are not msgpack, or hold a forbidden value.
    """
    if len(data) > max_bytes:
        raise CodecError(f'message has {len(data)} bytes; allowed are {max_bytes}')
    try:
        return msgpack.unpackb(
            data, object_hook=_decode_numpy, ext_hook=_refuse_extension, raw=False,
            max_array_len=_MAX_ITEMS, max_map_len=_MAX_ITEMS, max_ext_len=0)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise CodecError(f'cannot decode a message of {len(data)} bytes: '
                         f'{error or type(error).__name__}') from error


def array_from_bytes(data: object, dtype: object, shape: object) -> np.ndarray:
    """Return the read-only array behind bytes from outside.

    Raises:
        CodecError: If the dtype is not allowed, or shape and bytes do not fit each other.
    """
    checked_dtype, sizes = _checked_dtype(dtype), _checked_shape(shape)
    num_bytes = prod(sizes) * checked_dtype.itemsize
    if not isinstance(data, bytes) or len(data) != num_bytes:
        have = f'{len(data)} bytes' if isinstance(data, bytes) else type(data).__name__
        raise CodecError(
            f'array of shape {sizes} and dtype {dtype} has {have}, expected {num_bytes} bytes')
    return np.ndarray(sizes, checked_dtype, data)


def _encode_numpy(value: object) -> dict[bytes, object]:
    if isinstance(value, np.ndarray):
        _checked_dtype(value.dtype.str)
        return {_ARRAY: True, b'data': value.tobytes(), b'dtype': value.dtype.str,
                b'shape': value.shape}
    if isinstance(value, np.generic):
        _checked_dtype(value.dtype.str)
        return {_SCALAR: True, b'data': value.item(), b'dtype': value.dtype.str}
    raise TypeError(f'{type(value).__name__} cannot be part of a message')


def _decode_numpy(value: dict) -> object:
    if _ARRAY in value:
        return array_from_bytes(value.get(b'data'), value.get(b'dtype'), value.get(b'shape'))
    if _SCALAR in value:
        data = value.get(b'data')
        if not isinstance(data, (bool, int, float)):
            raise CodecError(f'numpy scalar holds {type(data).__name__}, expected a number')
        return _checked_dtype(value.get(b'dtype')).type(data)
    return value


def _checked_dtype(dtype: object) -> np.dtype:
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise CodecError(
            f'dtype {dtype!r} is not allowed; allowed are booleans, integers and floats of at '
            "most 8 bytes, such as '|u1' or '<f8'")
    return np.dtype(dtype)


def _checked_shape(shape: object) -> tuple[int, ...]:
    is_shape = isinstance(shape, Sequence) and len(shape) <= _MAX_DIMENSIONS and all(
        isinstance(size, int) and 0 <= size < 2**31 for size in shape)
    if not is_shape:
        raise CodecError(f'an array must have a shape of at most {_MAX_DIMENSIONS} sizes')
    return tuple(shape)


def _refuse_extension(code: int, data: bytes) -> object:
    raise CodecError(f'extension type {code} is not allowed')
