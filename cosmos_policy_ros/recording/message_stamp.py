# SPDX-License-Identifier: Apache-2.0
"""The stamp of a serialized message, read without deserialising it."""

from __future__ import annotations

import struct

_LITTLE_ENDIAN = 1
_STAMP_END = 12  # 4 bytes of encapsulation, then sec and nanosec


def stamp_of(data: bytes) -> int | None:
    """Return the stamp in [ns] of a message that begins with a std_msgs/Header.

    Args:
        data: The message as the middleware delivered it: CDR with its header.

    Returns:
        None if the message is too short or its stamp was left empty.
    """
    if len(data) < _STAMP_END:
        return None
    order = '<' if data[1] & _LITTLE_ENDIAN else '>'
    sec, nanosec = struct.unpack_from(f'{order}iI', data, 4)
    return sec * 10**9 + nanosec or None
