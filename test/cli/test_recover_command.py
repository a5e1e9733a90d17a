# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy recover` says what became of each recording, and fails if one was refused."""

from pathlib import Path

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

METADATA = EpisodeMetadata(task='', robot='', mode='', software_version='', started_ns=0)


def interrupt(folder: Path, name: str, count: int) -> Path:
    """Leave what a killed process leaves after a number of messages."""
    writer = EpisodeWriter(folder, METADATA, name=name)
    writer.add_topic(Topic(name='/talk', type_name='std_msgs/msg/String'))
    for index in range(count):
        writer.write('/talk', b'\0\1\0\0\2\0\0\0a\0', log_time_ns=index, publish_time_ns=index)
    writer.flush()
    # The process that held the file is gone.
    writer._file.close()
    return folder / f'{name}.partial'


def test_one_recording_is_recovered_and_then_complete(tmp_path: Path, capsys):
    folder = interrupt(tmp_path, 'mine', 5)
    assert main(['recover', str(folder)]) == 0
    assert f'recovered {tmp_path}/mine: 5 messages' in capsys.readouterr().out
    assert EpisodeReader(tmp_path / 'mine').topics['/talk'].count == 5
    assert main(['recover', str(tmp_path / 'mine')]) == 0
    assert 'is complete: 5 messages' in capsys.readouterr().out


def test_all_recovers_what_it_can_and_names_what_it_cannot(tmp_path: Path, capsys):
    interrupt(tmp_path, 'a', 2)
    empty = interrupt(tmp_path, 'b', 0)
    interrupt(tmp_path, 'c', 3)
    EpisodeWriter(tmp_path, METADATA, name='d').finish(EpisodeLabel(), ended_ns=0)
    assert main(['recover', '--all', str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f'{tmp_path}/a: 2 messages' in out and f'{tmp_path}/c: 3 messages' in out
    assert f'refused: {empty}/b_0.mcap holds no message' in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b.partial', 'c', 'd']


def test_nothing_to_recover_is_no_failure(tmp_path: Path, capsys):
    assert main(['recover', '--all', str(tmp_path)]) == 0
    assert 'nothing to recover' in capsys.readouterr().out
