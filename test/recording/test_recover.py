# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a recording, what had reached the disk becomes an episode; the rest stays."""

from collections.abc import Callable
import os
from pathlib import Path
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from rosbags.rosbag2 import Reader

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording import durable_file
from cosmos_policy_ros.recording.episode import EpisodeLabel, load_metadata, Outcome
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.recover import partial_episodes, recover, RECOVERED_NOTE
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import EpisodeWriter

STRING = 'std_msgs/msg/String'
FLUSH_EVERY = 10
COUNT = 95

Begin = Callable[..., EpisodeWriter]


def fill(writer: EpisodeWriter, text_message: Callable[[str], bytes], count: int = COUNT) -> None:
    """Write numbered texts, the second topic from the middle on; flush every tenth."""
    qos = TopicQos(reliability='best_effort')
    writer.add_topic(Topic(name='/talk', type_name=STRING, qos=qos))
    for index in range(count):
        if index == 50:
            writer.add_topic(Topic(name='/late', type_name=STRING))
        # Random letters: what compresses well would leave few places to cut.
        noise = random.Random(index).randbytes(300).hex()
        topic = '/late' if index >= 50 and index % 2 else '/talk'
        writer.write(topic, text_message(f'{index} {noise}'), log_time_ns=1000 + index,
                     publish_time_ns=index)
        if index % FLUSH_EVERY == FLUSH_EVERY - 1:
            writer.flush()


@pytest.fixture
def interrupted(begin: Begin, text_message: Callable[[str], bytes]) -> Path:
    """Folder of a recording that was interrupted before its end; 90 of 95 messages flushed."""
    writer = begin(name='mine')
    fill(writer, text_message)
    left = writer.path.with_name('mine.partial')
    copy = writer.path.with_name('copy')
    shutil.copytree(left, copy)
    writer.discard()
    copy.rename(left)
    return left


def texts(episode: Path) -> list[int]:
    """Return the numbers of the texts of an episode, read with an independent reader."""
    with Reader(episode) as reader:
        return [int(bytes(data[8:]).split(b' ')[0]) for _, _, data in reader.messages()]


def test_an_interrupted_recording_becomes_a_complete_episode(interrupted: Path):
    done = recover(interrupted)
    assert (done.path.name, done.messages, done.dropped_bytes) == ('mine', 90, 0)
    assert [path.name for path in done.path.parent.iterdir()] == ['mine']
    assert sorted(path.name for path in done.path.iterdir()) == [
        'episode.json', 'metadata.yaml', 'mine_0.mcap']
    assert texts(done.path) == list(range(90))
    reader = EpisodeReader(done.path)
    assert {name: topic.count for name, topic in reader.topics.items()} == {
        '/talk': 70, '/late': 20}
    assert [(m.log_time_ns, m.publish_time_ns) for m in reader.messages()] == [
        (1000 + i, i) for i in range(90)]
    assert reader.metadata.label == EpisodeLabel(outcome=Outcome.UNLABELLED, note=RECOVERED_NOTE)
    assert (reader.metadata.task, reader.metadata.ended_ns) == (
        'put the screwdriver into the cup', 1089)
    assert reader.metadata.message_counts == {'/talk': 70, '/late': 20}


def test_offered_quality_of_service_survives(interrupted: Path):
    with Reader(recover(interrupted).path) as reader:
        [talk] = [c for c in reader.connections if c.topic == '/talk']
        assert talk.ext.offered_qos_profiles[0].reliability.name == 'BEST_EFFORT'


def test_a_file_cut_off_at_any_byte_keeps_every_chunk_before_the_cut(
        interrupted: Path, tmp_path: Path):
    whole = (interrupted / 'mine_0.mcap').read_bytes()
    kept = {}
    for cut in {*range(0, len(whole), 997), *range(60), *range(len(whole) - 20, len(whole))}:
        folder = shutil.copytree(interrupted, tmp_path / f'{cut}' / 'mine.partial')
        (folder / 'mine_0.mcap').write_bytes(whole[:cut])
        try:
            kept[cut] = texts(recover(folder).path)
        except RecordingError as error:
            assert 'nothing reached the disk' in str(error)
            assert (folder / 'mine_0.mcap').read_bytes() == whole[:cut]
            kept[cut] = []
    counts = [len(kept[cut]) for cut in sorted(kept)]
    assert counts == sorted(counts) and set(counts) == set(range(0, 91, FLUSH_EVERY))
    assert all(numbers == list(range(len(numbers))) for numbers in kept.values())


def test_a_power_cut_at_any_time_keeps_what_was_synced(
        begin: Begin, text_message: Callable[[str], bytes], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch):
    synced = []
    sync_and_close = durable_file.sync_and_close

    def record_length(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        sync_and_close(descriptor)

    monkeypatch.setattr('cosmos_policy_ros.recording.writer.sync_and_close', record_length)
    writer = begin(name='mine')
    writer.add_topic(Topic(name='/talk', type_name=STRING))
    for index in range(40):
        writer.write('/talk', text_message(f'{index} {os.urandom(50).hex()}'), log_time_ns=index,
                     publish_time_ns=index)
        if index % 4 == 3:
            writer.flush()
        if index % 8 == 7:
            writer.sync()
    partial = writer.path.with_name('mine.partial')
    whole = (partial / 'mine_0.mcap').read_bytes()
    chance = random.Random(0)
    for case in range(60):
        number = chance.randrange(len(synced))
        rest = whole[synced[number]:]
        reached = chance.randrange(len(rest) + 1)
        # Of what was not synced anything may be there: a part, zeros, or noise, of any length.
        tail = [b'', rest[:reached], bytes(reached), rest[:reached // 2] + bytes(reached),
                chance.randbytes(reached)][case % 5]
        folder = shutil.copytree(partial, tmp_path / f'{case}' / 'mine.partial')
        (folder / 'mine_0.mcap').write_bytes(whole[:synced[number]] + tail)
        numbers = texts(recover(folder).path)
        assert numbers == list(range(len(numbers))) and len(numbers) >= 8 * (number + 1)
    writer.discard()


def test_a_chunk_damaged_in_the_middle_costs_its_own_messages_only(interrupted: Path):
    path = interrupted / 'mine_0.mcap'
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xff
    path.write_bytes(data)
    done = recover(interrupted)
    assert done.messages == 80 and done.dropped_bytes > 0
    assert len(texts(done.path)) == 80


def test_recovery_may_be_interrupted_anywhere_and_repeated(
        interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        """Ends the process, as far as the code under test can tell."""

    steps = ['os.fsync', 'pathlib.Path.replace', 'pathlib.Path.rename',
             'cosmos_policy_ros.recording.recover.save_metadata',
             'cosmos_policy_ros.recording.recover.sync_directory']
    for number, step in enumerate(steps):
        folder = shutil.copytree(interrupted, tmp_path / f'{number}' / 'mine.partial')

        def die(*_arguments: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(step, die)
            with pytest.raises(Killed):
                recover(folder)
        done = recover(folder)
        assert texts(done.path) == list(range(90))
        assert load_metadata(done.path).label.note == RECOVERED_NOTE


def test_an_interruption_after_the_label_was_given_keeps_the_label(
        begin: Begin, text_message: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch):
    writer = begin(name='mine')
    fill(writer, text_message)

    def refuse(*_arguments: object) -> None:
        raise OSError('no')

    with monkeypatch.context() as patch:
        patch.setattr('pathlib.Path.rename', refuse)
        with pytest.raises(RecordingError):
            writer.finish(EpisodeLabel(outcome='success'), ended_ns=77)
    done = recover(writer.path.with_name('mine.partial'))
    metadata = load_metadata(done.path)
    assert (metadata.label.outcome, metadata.ended_ns, done.messages) == (
        Outcome.SUCCESS, 77, COUNT)


def test_a_finished_episode_is_left_as_it_is(recorded: Path):
    def state() -> dict[Path, tuple[bytes, int]]:
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in recorded.iterdir()}

    before = state()
    assert recover(recorded).was_complete
    assert recover(recorded / f'{recorded.name}_0.mcap').messages == 100
    assert state() == before and partial_episodes(recorded.parent) == []


def test_a_recording_that_still_runs_is_refused(
        begin: Begin, text_message: Callable[[str], bytes]):
    writer = begin(name='mine')
    fill(writer, text_message)
    with pytest.raises(RecordingError, match='being recorded at this moment'):
        recover(writer.path.with_name('mine.partial'))
    assert recover(writer.finish(EpisodeLabel(), ended_ns=1)).messages == COUNT


def test_a_name_that_is_taken_is_refused(interrupted: Path):
    interrupted.with_name('mine').mkdir()
    with pytest.raises(RecordingError, match='cannot become .*mine, which exists'):
        recover(interrupted)


@pytest.mark.parametrize(('content', 'reason'), [
    (b'', 'is empty'), (b'hello', 'is no MCAP file'), (bytes(500), 'is no MCAP file'),
    (b'\x89MCAP0\r\n', 'nothing reached the disk')])
def test_foreign_and_empty_files_are_refused_with_the_reason(
        interrupted: Path, content: bytes, reason: str):
    path = interrupted / 'mine_0.mcap'
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=reason) as caught:
        recover(path)
    assert str(path) in str(caught.value) and path.read_bytes() == content


def test_a_file_of_another_recorder_is_refused(interrupted: Path):
    from mcap.writer import Writer
    path = interrupted / 'mine_0.mcap'
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2', library='libmcap 1.0')
        writer.finish()
    with pytest.raises(RecordingError, match="written by 'libmcap 1.0'"):
        recover(interrupted)


def test_a_folder_without_a_recording_is_refused(tmp_path: Path):
    empty = tmp_path / 'a.partial'
    empty.mkdir()
    with pytest.raises(RecordingError, match='is no recording'):
        recover(empty)
    with pytest.raises(RecordingError, match='there is no'):
        recover(tmp_path / 'b.partial')
    with pytest.raises(RecordingError, match='episode.json'):
        recover(tmp_path)


DISK_FULL = """
import resource, signal, sys
from pathlib import Path
from cosmos_policy_ros.recording.recover import recover
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    recover(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_disk_without_room_for_the_new_file_leaves_the_old_one(interrupted: Path):
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    done = subprocess.run([sys.executable, '-c', DISK_FULL, str(interrupted)], check=True,
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith('RecordingError cannot recover') and 'too large' in done.stdout
    assert {path.name: path.read_bytes() for path in interrupted.iterdir()} == before
    assert recover(interrupted).messages == 90


WRITE_FOR_EVER = """
import os, struct, sys, time
from pathlib import Path
from cosmos_policy_ros.recording.background_writer import (
    BackgroundWriter, WaitingMessage, WriteSettings)
from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

class Noting(EpisodeWriter):
    def flush(self):
        written = self.message_counts['/talk']
        super().flush()
        self.path.with_suffix('.flushed').write_text(f'{written}.')

def record(folder, name):
    writer = Noting(Path(folder), EpisodeMetadata(
        task='', robot='', mode='', software_version='', started_ns=0), name=name)
    background = BackgroundWriter(writer, WriteSettings(flush_period_s=0.05))
    background.add_topic(Topic(name='/talk', type_name='std_msgs/msg/String'))
    number = 0
    while True:
        text = f'{number} '.encode() + os.urandom(400).hex().encode() + b'\\0'
        background.put(WaitingMessage(
            topic_name='/talk', data=b'\\0\\1\\0\\0' + struct.pack('<I', len(text)) + text,
            log_time_ns=time.monotonic_ns(), publish_time_ns=0))
        number += 1
        time.sleep(0.0005)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        record(sys.argv[1], line.strip())
    print(child, flush=True)
"""


def test_a_process_killed_at_any_moment_loses_nothing_that_was_flushed(
        tmp_path: Path, recorded: Path):
    finished = (recorded / f'{recorded.name}_0.mcap').read_bytes()
    chance = random.Random(0)
    with subprocess.Popen([sys.executable, '-c', WRITE_FOR_EVER, str(tmp_path)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        for number in range(20):
            print(f'killed_{number}', file=server.stdin, flush=True)
            child = int(server.stdout.readline())
            flushed = tmp_path / f'killed_{number}.flushed'
            _wait_until(flushed.exists, 'the first flush')
            time.sleep(chance.uniform(0.0, 0.15))
            os.kill(child, signal.SIGKILL)
            done = _recover_once_dead(tmp_path / f'killed_{number}.partial')
            numbers = texts(done.path)
            assert numbers == list(range(len(numbers)))
            # A kill while the note itself was written leaves it without its full stop.
            note = flushed.read_text()
            assert len(numbers) >= (int(note[:-1]) if note.endswith('.') else 1)
        server.stdin.close()
    assert (recorded / f'{recorded.name}_0.mcap').read_bytes() == finished


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline, f'{what} did not happen'
        time.sleep(0.01)


def _recover_once_dead(folder: Path):
    """Recover, waiting for the kernel to end the process and its lock."""
    deadline = time.monotonic() + 10.0
    while True:
        try:
            return recover(folder)
        except RecordingError as error:
            assert 'being recorded' in str(error) and time.monotonic() < deadline, error
            time.sleep(0.01)
