# SPDX-License-Identifier: Apache-2.0
"""What was written is what is read; what is cut off, damaged or foreign is told."""

from collections.abc import Callable
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from hypothesis import given, HealthCheck, settings, strategies as st
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, load_metadata
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

STRING = 'std_msgs/msg/String'
LABEL = EpisodeLabel(outcome='success')
MESSAGES = st.lists(st.tuples(
    st.sampled_from(['/a', '/b']), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1),
    st.binary(min_size=4, max_size=20)))


def mcap_file(episode: Path) -> Path:
    return episode / f'{episode.name}_0.mcap'


@given(messages=MESSAGES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_is_the_inverse_of_writing(tmp_path_factory, metadata, messages):
    writer = EpisodeWriter(tmp_path_factory.mktemp('episodes'), metadata)
    for name in ('/a', '/b'):
        writer.add_topic(Topic(name=name, type_name=STRING))
    for topic, log_time_ns, publish_time_ns, data in messages:
        writer.write(topic, data, log_time_ns=log_time_ns, publish_time_ns=publish_time_ns)
    reader = EpisodeReader(writer.finish(LABEL, ended_ns=1))
    assert list(reader.messages()) == sorted(messages, key=lambda message: message[1])
    for topic in ('/a', '/b'):
        times_ns = sorted(message[1] for message in messages if message[0] == topic)
        statistics = reader.topics[topic]
        assert statistics.count == len(times_ns)
        assert [statistics.first_ns, statistics.last_ns] == (
            [times_ns[0], times_ns[-1]] if times_ns else [None, None])


def test_statistics_follow_from_the_times(recorded: Path):
    reader = EpisodeReader(recorded)
    often, seldom, never = (reader.topics[name] for name in ('/often', '/seldom', '/never'))
    assert (often.count, seldom.count, never.count) == (75, 25, 0)
    assert often.largest_gap_s == pytest.approx(0.04)
    assert seldom.rate_hz == pytest.approx(12.5)
    assert seldom.largest_gap_s == pytest.approx(0.08)
    assert (seldom.first_ns, seldom.last_ns) == (1000, 1000 + 96 * 20_000_000)
    assert (never.rate_hz, never.largest_gap_s, never.first_ns) == (None, None, None)
    assert seldom.type_name == STRING
    assert reader.metadata.message_counts == {
        name: topic.count for name, topic in reader.topics.items()}


def test_only_the_topics_asked_for_are_read(recorded: Path):
    messages = list(EpisodeReader(recorded).messages(['/seldom', '/never']))
    assert {message.topic for message in messages} == {'/seldom'}
    assert len(messages) == 25


def test_two_readings_at_once_do_not_disturb_each_other(recorded: Path):
    reader = EpisodeReader(recorded)
    pairs = list(zip(reader.messages(), reader.messages()))
    assert len(pairs) == 100
    assert all(first == second for first, second in pairs)


def test_missing_topic_is_told_with_those_there_are(recorded: Path):
    with pytest.raises(RecordingError, match='/ghost; it has /often, /seldom'):
        EpisodeReader(recorded).messages(['/ghost'])


def test_missing_folder_is_told(tmp_path: Path):
    with pytest.raises(RecordingError, match='no episode folder .*ghost'):
        EpisodeReader(tmp_path / 'ghost')


def test_bag_of_another_recorder_is_told(recorded: Path):
    (recorded / 'episode.json').unlink()
    with pytest.raises(RecordingError, match='episode.json'):
        EpisodeReader(recorded)


def test_folder_without_messages_is_told(recorded: Path):
    mcap_file(recorded).unlink()
    with pytest.raises(RecordingError, match='0 MCAP files'):
        EpisodeReader(recorded)


@pytest.mark.parametrize(('content', 'problem'), [
    (b'', 'is no MCAP file'), (b'SQLite format 3\0' * 9, 'is no MCAP file'),
    (b'\x89MCAP0\r\n', 'damaged'), (b'\x89MCAP0\r\n' * 9, 'damaged')])
def test_foreign_file_is_told(recorded: Path, content: bytes, problem: str):
    mcap_file(recorded).write_bytes(content)
    with pytest.raises(RecordingError, match=f'{mcap_file(recorded)} {problem}|{problem}'):
        EpisodeReader(recorded)


@given(share=st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_file_cut_off_anywhere_is_told(recorded: Path, tmp_path_factory, share: float):
    episode = shutil.copytree(recorded, tmp_path_factory.mktemp('cut') / recorded.name)
    content = mcap_file(episode).read_bytes()
    mcap_file(episode).write_bytes(content[:int(share * len(content))])
    with pytest.raises(RecordingError, match='cut off|no MCAP'):
        EpisodeReader(episode)


@given(position=st.integers(0), flip=st.integers(1, 255))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_byte_is_told_or_harms_no_message(
        recorded: Path, tmp_path_factory, position: int, flip: int):
    expected = list(EpisodeReader(recorded).messages())
    episode = shutil.copytree(recorded, tmp_path_factory.mktemp('flip') / recorded.name)
    content = bytearray(mcap_file(episode).read_bytes())
    content[position % len(content)] ^= flip
    mcap_file(episode).write_bytes(content)
    try:
        messages = list(EpisodeReader(episode).messages())
    except RecordingError as error:
        assert str(mcap_file(episode)) in str(error)
    else:
        assert [message.data for message in messages] == [m.data for m in expected]


KILLED = """
import os, sys
from pathlib import Path
from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter
writer = EpisodeWriter(Path(sys.argv[1]), EpisodeMetadata(
    task='stack', robot='', mode='', software_version='', started_ns=0))
writer.add_topic(Topic(name='/talk', type_name='std_msgs/msg/String'))
index = 0
while True:
    writer.write('/talk', os.urandom(100_000), log_time_ns=index, publish_time_ns=index)
    index += 1
    if index == 50:
        print('going', flush=True)
"""


def test_recorder_killed_in_the_middle_leaves_a_partial_episode_that_is_told(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'going\n'
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    [partial] = tmp_path.iterdir()
    with pytest.raises(RecordingError, match=f'{partial} is partial'):
        EpisodeReader(partial)
    assert load_metadata(partial).task == 'stack'
    assert (partial / 'episode_000000_0.mcap').stat().st_size > 3_000_000


def test_first_message_comes_before_the_file_is_read(
        begin: Callable[..., EpisodeWriter], text_message: Callable[[str], bytes]):
    writer = begin(compression='none')
    writer.add_topic(Topic(name='/talk', type_name=STRING))
    for index in range(60):
        writer.write('/talk', text_message('x' * 1_000_000), log_time_ns=index,
                     publish_time_ns=index)
    reader = EpisodeReader(writer.finish(LABEL, ended_ns=1))
    start = time.perf_counter()
    messages = reader.messages()
    next(messages)
    first_s = time.perf_counter() - start
    assert sum(1 for _ in messages) == 59
    assert first_s < (time.perf_counter() - start) / 4
