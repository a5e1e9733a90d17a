# SPDX-License-Identifier: Apache-2.0
"""Message definitions as bags carry them: one text with all that the type depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import os
from pathlib import Path
import re
import sys

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.bundled_messages import DRIVER_MESSAGES

_SEPARATOR = '=' * 80
_PRIMITIVES = frozenset(
    ('bool', 'byte', 'char', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32',
     'uint32', 'int64', 'uint64', 'string', 'wstring'))
_TYPE_NAME = re.compile(r'[A-Za-z]\w*/msg/[A-Za-z]\w*')
_FIELD_TYPE = re.compile(r'\s*([A-Za-z]\w*(?:/[A-Za-z]\w*)*)')
# Types that are written but need not be installed: nobody on the robot subscribes to them.
_BUNDLED = DRIVER_MESSAGES | {'foxglove_msgs/msg/CompressedVideo': '''\
# One picture of a video stream.
builtin_interfaces/Time timestamp
string frame_id
# All that the decoder needs for exactly one picture; H.264 as Annex B, parameter sets before IDR.
uint8[] data
# h264, h265, vp9 or av1
string format
'''}


def ament_prefixes() -> tuple[Path, ...]:
    """Return where message packages may be installed: AMENT_PREFIX_PATH, then this Python."""
    listed = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return tuple(dict.fromkeys(Path(prefix) for prefix in (*listed, sys.prefix) if prefix))


def message_schema(type_name: str, prefixes: Sequence[Path] | None = None) -> str:
    """Return the definition of a message type, followed by those of all types inside it.

    Args:
        type_name: For example `sensor_msgs/msg/Image`.
        prefixes: Installation prefixes to search, first match wins; `ament_prefixes()` if None.

    Raises:
        RecordingError: If the name is malformed or a definition is not installed.
    """
    if not _TYPE_NAME.fullmatch(type_name):
        raise RecordingError(
            f'message type is {type_name!r}; expected a name such as sensor_msgs/msg/Image')
    prefixes = ament_prefixes() if prefixes is None else prefixes
    texts: dict[str, str] = {}
    waiting = [type_name]
    while waiting:
        name = waiting.pop(0)
        if name not in texts:
            texts[name] = _read_definition(name, type_name, prefixes)
            waiting += _nested_types(name, texts[name])
    return texts.pop(type_name) + ''.join(
        f'\n{_SEPARATOR}\nMSG: {name.replace("/msg/", "/")}\n{text}'
        for name, text in texts.items())


def _read_definition(name: str, needed_by: str, prefixes: Sequence[Path]) -> str:
    package, message = name.split('/msg/')
    for prefix in prefixes:
        path = prefix / 'share' / package / 'msg' / f'{message}.msg'
        if path.is_file():
            return path.read_text(encoding='utf-8')
    if name in _BUNDLED:
        return _BUNDLED[name]
    raise RecordingError(
        f'message type {name!r} (needed for {needed_by!r}) is not installed; searched '
        f'share/{package}/msg under {", ".join(map(str, prefixes)) or "no prefix"}')


def _nested_types(name: str, text: str) -> Iterator[str]:
    package = name.split('/')[0]
    for line in text.splitlines():
        field_type = _FIELD_TYPE.match(line)
        if field_type and field_type[1] not in _PRIMITIVES:
            parts = field_type[1].split('/')
            yield f'{parts[0] if len(parts) > 1 else package}/msg/{parts[-1]}'
