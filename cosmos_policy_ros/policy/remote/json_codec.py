# SPDX-License-Identifier: Apache-2.0
"""Arrays in JSON, as the package json-numpy writes them.

An array is an object `{"__numpy__": base64 of its bytes in C order, "dtype": dtype.str, "shape":
[...]}`.
"""

from __future__ import annotations

import base64
import json

import numpy as np

from cosmos_policy_ros.policy.remote.codec import array_from_bytes, CodecError

_ARRAY = '__numpy__'


def encode_json(value: object) -> str:
    """Write maps, lists, texts, finite numbers and numpy arrays as JSON."""
    return json.dumps(value, default=_encode_numpy, allow_nan=False)


def decode_json(text: str | bytes) -> object:
    """Read what `encode_json` writes; arrays come out read-only.

    Raises:
        CodecError: If the text is not JSON or holds a forbidden array.
    """
    try:
        return json.loads(text, object_hook=_decode_numpy)
    except (ValueError, RecursionError) as error:
        raise CodecError(f'cannot decode {len(text)} bytes of JSON: {error}') from error


def _encode_numpy(value: object) -> dict[str, object]:
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f'{type(value).__name__} cannot be part of a message')
    return {_ARRAY: base64.b64encode(value.tobytes()).decode('ascii'), 'dtype': value.dtype.str,
            'shape': value.shape}


def _decode_numpy(value: dict) -> object:
    if _ARRAY not in value:
        return value
    data = value[_ARRAY]
    if not isinstance(data, str):
        raise CodecError(f'{_ARRAY} is {type(data).__name__}, expected base64')
    return array_from_bytes(
        base64.b64decode(data, validate=True), value.get('dtype'), value.get('shape'))
