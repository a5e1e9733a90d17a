# SPDX-License-Identifier: Apache-2.0
"""Messages as bytes without ROS, by the definitions that are installed; the twin of `decode`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mcap_ros2._dynamic import serialize_dynamic

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.schema import message_schema

_NS_PER_S = 1_000_000_000


def encode_message(type_name: str, fields: Mapping[str, Any]) -> bytes:
    """Return a message as the middleware would deliver it: CDR with its header.

    Args:
        type_name: For example `sensor_msgs/msg/JointState`.
        fields: Field to value, nested messages as mappings too; a field that is not given is zero
            or empty. `uint8[]` is given as `bytes`, other arrays as lists.

    Raises:
        RecordingError: If the type is not installed or a value does not fit its field.
    """
    encode = _encoder(type_name)
    try:
        return encode(fields)
    # The encoder has no one error for a value that does not fit.
    except Exception as error:
        raise RecordingError(f'cannot encode {type_name}: {error}') from error


def header(stamp_ns: int, frame_id: str = '') -> dict[str, Any]:
    """Return the fields of a std_msgs/Header."""
    return {'stamp': {'sec': stamp_ns // _NS_PER_S, 'nanosec': stamp_ns % _NS_PER_S},
            'frame_id': frame_id}


@cache
def _encoder(type_name: str) -> Callable[[Mapping[str, Any]], bytes]:
    schema = message_schema(type_name)
    # `MSG: package/Name` is how definitions refer to one another; so does the encoder.
    return serialize_dynamic(type_name, schema)[type_name]
