# SPDX-License-Identifier: Apache-2.0
"""An episode on disk is complete, readable by rosbag2 tools, and never overwritten."""

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys
import threading

import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, load_metadata, Outcome
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import EpisodeWriter, next_episode_name

STRING = 'std_msgs/msg/String'
TALK = Topic(name='/talk', type_name=STRING)
LABEL = EpisodeLabel(outcome='success')

Begin = Callable[..., EpisodeWriter]
Text = Callable[[str], bytes]


def write(writer: EpisodeWriter, message: bytes, time_ns: int = 0, topic: str = '/talk') -> None:
    writer.write(topic, message, log_time_ns=time_ns, publish_time_ns=time_ns)


def test_rosbags_reads_every_message_unchanged(recorded: Path, typestore: Typestore):
    with Reader(recorded) as reader:
        assert reader.message_count == 100
        assert reader.start_time == 1000
        assert reader.duration == 99 * 20_000_000 + 1
        assert {name: info.msgcount for name, info in reader.topics.items()} == {
            '/often': 75, '/seldom': 25, '/never': 0}
        texts = [(topic.topic, time_ns, typestore.deserialize_cdr(message, STRING).data)
                 for topic, time_ns, message in reader.messages()]
    assert texts == [('/seldom' if i % 4 == 0 else '/often', 1000 + i * 20_000_000, f'text {i}')
                     for i in range(100)]


def test_schema_in_the_file_is_enough_to_register_the_type(recorded: Path):
    with Reader(recorded) as reader:
        assert all('string data' in topic.msgdef.data for topic in reader.connections)


def test_offered_quality_of_service_is_kept(begin: Begin, text_message: Text):
    writer = begin()
    writer.add_topic(Topic(name='/talk', type_name=STRING, qos=TopicQos(
        reliability='best_effort', depth=5)))
    write(writer, text_message('a'))
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        [topic] = reader.connections
        [qos] = topic.ext.offered_qos_profiles
        assert (qos.reliability.name, qos.depth) == ('BEST_EFFORT', 5)
        assert len(list(reader.messages(reader.connections))) == 1


@pytest.mark.parametrize('compression', ['zstd', 'lz4', 'none'])
def test_messages_larger_than_a_chunk_survive_any_compression(
        begin: Begin, text_message: Text, compression: str):
    writer = begin(compression=compression)
    writer.add_topic(TALK)
    messages = [text_message(letter * 3_000_000) for letter in 'abc']
    for time_ns, message in enumerate(messages):
        write(writer, message, time_ns)
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        assert [bytes(message) for _, _, message in reader.messages()] == messages


def test_metadata_is_complete_after_finish(recorded: Path, metadata):
    loaded = load_metadata(recorded)
    assert loaded.task == metadata.task
    assert (loaded.started_ns, loaded.ended_ns) == (10, 20)
    assert loaded.label == EpisodeLabel(outcome=Outcome.SUCCESS, score=1.0)
    assert loaded.message_counts == {'/often': 75, '/seldom': 25, '/never': 0}


def test_episode_without_messages_or_topics_is_a_valid_bag(begin: Begin):
    with Reader(begin().finish(LABEL, ended_ns=1)) as reader:
        assert (reader.message_count, reader.duration) == (0, 0)


def test_topic_may_appear_during_the_recording(begin: Begin, text_message: Text):
    writer = begin()
    writer.add_topic(TALK)
    write(writer, text_message('a'))
    writer.add_topic(Topic(name='/late', type_name='sensor_msgs/msg/Image'))
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        assert reader.topics['/late'].msgtype == 'sensor_msgs/msg/Image'


def test_folder_has_its_name_only_when_finished(begin: Begin, tmp_path: Path):
    writer = begin()
    assert [path.name for path in tmp_path.iterdir()] == ['episode_000000.partial']
    assert writer.finish(LABEL, ended_ns=1) == writer.path == tmp_path / 'episode_000000'
    assert [path.name for path in tmp_path.iterdir()] == ['episode_000000']


def test_task_is_on_disk_from_the_start(begin: Begin, tmp_path: Path, metadata):
    begin()
    assert load_metadata(tmp_path / 'episode_000000.partial') == metadata


def test_names_count_up_past_finished_and_partial_episodes(begin: Begin, tmp_path: Path):
    begin().finish(LABEL, ended_ns=1)
    begin(name='episode_000041')
    begin(name='other')
    assert next_episode_name(tmp_path) == 'episode_000042'
    assert next_episode_name(tmp_path / 'missing') == 'episode_000000'


def test_existing_episode_is_never_overwritten(begin: Begin, tmp_path: Path):
    begin(name='mine').finish(LABEL, ended_ns=1)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(RecordingError, match='mine.*never overwritten'):
        begin(name='mine')
    assert sorted(tmp_path.rglob('*')) == before


def test_episode_being_recorded_is_never_overwritten(begin: Begin):
    begin(name='mine')
    with pytest.raises(RecordingError, match='mine.partial.*never overwritten'):
        begin(name='mine')


def test_folder_that_appears_during_the_recording_is_not_replaced(begin: Begin):
    writer = begin()
    writer.path.mkdir()
    with pytest.raises(RecordingError, match='appeared'):
        writer.finish(LABEL, ended_ns=1)


@pytest.mark.parametrize('name', ['', '.', '..', 'a/b', '../up', '.hidden', 'a b', 'x.partial'])
def test_name_that_is_no_plain_folder_is_refused(begin: Begin, tmp_path: Path, name: str):
    with pytest.raises(RecordingError, match='episode name'):
        begin(name=name)
    assert not list(tmp_path.iterdir())


def test_unknown_compression_is_refused(begin: Begin):
    with pytest.raises(RecordingError, match='zip.*zstd'):
        begin(compression='zip')


def test_directory_that_cannot_be_made_is_named(tmp_path: Path, metadata):
    (tmp_path / 'file').write_text('')
    with pytest.raises(RecordingError, match=str(tmp_path / 'file')):
        EpisodeWriter(tmp_path / 'file' / 'episodes', metadata)


def test_discard_leaves_nothing(begin: Begin, tmp_path: Path):
    writer = begin()
    writer.add_topic(TALK)
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_finished_episode_cannot_be_changed_or_discarded(begin: Begin, text_message: Text):
    writer = begin()
    writer.add_topic(TALK)
    path = writer.finish(LABEL, ended_ns=1)
    for act in (writer.discard, lambda: write(writer, text_message('a')),
                lambda: writer.add_topic(TALK), lambda: writer.finish(LABEL, ended_ns=1)):
        with pytest.raises(RecordingError, match='is finished'):
            act()
    assert path.is_dir()


def test_bad_input_is_refused_and_the_episode_goes_on(begin: Begin, text_message: Text):
    writer = begin()
    writer.add_topic(TALK)
    good = text_message('good')
    for topic, message, time_ns, word in (
            ('/other', good, 0, '/other.*/talk'), ('/talk', b'', 0, '0 bytes'),
            ('/talk', good, -1, '-1 ns'), ('/talk', good, 2**63, 'ns of a message')):
        with pytest.raises(RecordingError, match=word):
            write(writer, message, time_ns, topic)
    with pytest.raises(RecordingError, match='already'):
        writer.add_topic(TALK)
    with pytest.raises(RecordingError, match='ghosts/msg/Ghost'):
        writer.add_topic(Topic(name='/ghost', type_name='ghosts/msg/Ghost'))
    write(writer, good)
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        assert reader.message_count == 1


def test_threads_write_at_once_without_losing_a_message(begin: Begin, text_message: Text):
    writer = begin()

    def talk(number: int) -> None:
        writer.add_topic(Topic(name=f'/talk{number}', type_name=STRING))
        for index in range(300):
            write(writer, text_message(f'{number} {index} ' + 'x' * 5000), index,
                  f'/talk{number}')

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        assert {info.msgcount for info in reader.topics.values()} == {300}
        assert sum(1 for _ in reader.messages()) == 1200


BEGIN = """
import os, resource, sys
from pathlib import Path
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter
writer = EpisodeWriter(Path(sys.argv[1]), EpisodeMetadata(
    task='', robot='', mode='', software_version='', started_ns=0))
writer.add_topic(Topic(name='/talk', type_name='std_msgs/msg/String'))
"""
FULL_DISK = BEGIN + """
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, resource.RLIM_INFINITY))
try:
    for index in range(20):
        writer.write('/talk', os.urandom(1_000_000), log_time_ns=index, publish_time_ns=index)
except RecordingError as error:
    print('write:', error)
try:
    writer.finish(EpisodeLabel(), ended_ns=1)
except RecordingError as error:
    print('finish:', error)
print('kept:', [path.name for path in Path(sys.argv[1]).iterdir()])
writer.discard()
print('left:', list(Path(sys.argv[1]).iterdir()))
"""

FULL_FROM_THE_START = BEGIN + """
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
writer.discard()
"""


def test_full_disk_is_told_keeps_the_partial_folder_and_can_be_discarded(tmp_path: Path):
    done = subprocess.run([sys.executable, '-c', FULL_DISK, str(tmp_path)], check=True,
                          capture_output=True, text=True, timeout=60)
    partial = tmp_path / 'episode_000000.partial'
    wrote, finished, kept, left = done.stdout.splitlines()
    assert wrote.startswith(f'write: cannot write {partial}')
    assert 'File too large' in wrote
    assert finished.startswith(f'finish: cannot write: {partial} is incomplete')
    assert kept == "kept: ['episode_000000.partial']"
    assert left == 'left: []'


def test_what_a_full_disk_refuses_can_still_be_discarded(tmp_path: Path):
    subprocess.run([sys.executable, '-c', FULL_FROM_THE_START, str(tmp_path)], check=True,
                   timeout=60)
    assert not list(tmp_path.iterdir())


def test_a_clock_that_goes_back_loses_nothing_and_is_kept_as_it_was(
        begin: Begin, text_message: Text):
    writer = begin()
    writer.add_topic(TALK)
    times_ns = [5_000, 6_000, 1_000, 2_000, 7_000]
    for number, time_ns in enumerate(times_ns):
        write(writer, text_message(str(number)), time_ns)
        writer.flush()
    with Reader(writer.finish(LABEL, ended_ns=1)) as reader:
        assert (reader.start_time, reader.duration) == (1_000, 6_001)
        found = [(time_ns, int(bytes(data[8:9]))) for _, time_ns, data in reader.messages()]
    assert found == sorted((time_ns, number) for number, time_ns in enumerate(times_ns))
