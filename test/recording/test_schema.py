# SPDX-License-Identifier: Apache-2.0
"""Schemas hold a definition and everything inside it, once."""

from pathlib import Path

import pytest
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.schema import message_schema

NESTED = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/JointState', 'sensor_msgs/msg/CameraInfo',
          'trajectory_msgs/msg/JointTrajectory', 'diagnostic_msgs/msg/DiagnosticArray',
          'std_msgs/msg/String', 'std_msgs/msg/Float64MultiArray')


def define(prefix: Path, package: str, **definitions: str) -> Path:
    folder = prefix / 'share' / package / 'msg'
    folder.mkdir(parents=True)
    for name, text in definitions.items():
        (folder / f'{name}.msg').write_text(text)
    return prefix


@pytest.mark.parametrize('type_name', NESTED)
def test_an_independent_parser_finds_the_installed_definition(
        type_name: str, typestore: Typestore):
    types = get_types_from_msg(message_schema(type_name), type_name)
    assert type_name in types
    for name, definition in types.items():
        assert definition == typestore.fielddefs[name], name


def test_types_are_found_through_arrays_bounds_comments_and_constants(tmp_path: Path):
    prefix = define(
        tmp_path, 'toys', Box='# Ghost lid\nuint8 RED=1\nstring<=8 name\nPart[<=4] parts\n'
        'toys/Lid  lid # Ghost other\nstring TEXT = "Ghost x"\n\nPart[2] pair\nint32 n 5\n',
        Part='float64[] size\n', Lid='Part handle\n')
    schema = message_schema('toys/msg/Box', [prefix])
    assert schema.count('MSG: ') == 2
    assert {'MSG: toys/Part', 'MSG: toys/Lid'} < set(schema.splitlines())


def test_first_prefix_wins(tmp_path: Path):
    first = define(tmp_path / 'first', 'toys', Box='uint8 first\n')
    second = define(tmp_path / 'second', 'toys', Box='uint8 second\n')
    assert 'first' in message_schema('toys/msg/Box', [first, second])


def test_prefixes_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    define(tmp_path, 'toys', Box='uint8 n\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    assert message_schema('toys/msg/Box') == 'uint8 n\n'


def test_missing_dependency_names_the_type_and_the_places(tmp_path: Path):
    define(tmp_path, 'toys', Box='Lid lid\n')
    with pytest.raises(RecordingError, match=rf"'toys/msg/Lid'.*toys/msg/Box.*{tmp_path}"):
        message_schema('toys/msg/Box', [tmp_path])


@pytest.mark.parametrize('name', ['Image', 'sensor_msgs/Image', '../msg/Image', 'a/msg/b/c', ''])
def test_malformed_type_name_is_refused(name: str):
    with pytest.raises(RecordingError, match='message type'):
        message_schema(name)
