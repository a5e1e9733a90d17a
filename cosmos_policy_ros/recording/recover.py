# SPDX-License-Identifier: Apache-2.0
"""An interrupted recording becomes a complete episode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from mcap.records import Channel, Message, Schema
from mcap.writer import Writer

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.bag_metadata import save_bag_metadata
from cosmos_policy_ros.recording.durable_file import sync_directory
from cosmos_policy_ros.recording.episode import (
    EpisodeLabel, EpisodeMetadata, load_metadata, PARTIAL_SUFFIX, save_metadata)
from cosmos_policy_ros.recording.interrupted_file import InterruptedFile
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import CHUNK_BYTES, LIBRARY, mcap_name

RECOVERED_NOTE = 'recovered: the recording was interrupted'


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What became of an interrupted recording.

    Attributes:
        path: Folder of the episode.
        was_complete: Nothing had to be done.
        messages: Number of messages that it holds.
        duration_s: Time from the first message to the last in [s].
        dropped_bytes: Length of what was damaged or cut off in [B].
    """

    path: Path
    was_complete: bool = False
    messages: int = 0
    duration_s: float = 0.0
    dropped_bytes: int = 0


def partial_episodes(directory: Path) -> list[Path]:
    """Return the folders below `directory` whose recording runs or was interrupted, sorted."""
    return sorted(path for path in directory.glob(f'*{PARTIAL_SUFFIX}') if path.is_dir())


def recover(path: Path) -> Recovery:
    """Make a complete episode of an interrupted recording.

    Every message of every chunk that is whole is kept. What there was is replaced only once the
    new file is on the disk, so an interruption of the recovery itself loses nothing either, and it
    may be repeated. A complete episode is left as it is.

    Args:
        path: Folder of the episode, or the MCAP file in it.

    Returns:
        What became of it.

    Raises:
        RecordingError: If it is no recording of this package, is being recorded at this moment,
            holds no message, its name is taken, or the disk refuses.
    """
    folder = path.parent if path.suffix == '.mcap' else path
    if not path.exists():
        raise RecordingError(f'there is no {path}')
    if not folder.name.endswith(PARTIAL_SUFFIX):
        counts = [topic.count for topic in EpisodeReader(folder).topics.values()]
        return Recovery(path=folder, was_complete=True, messages=sum(counts))
    target = folder.with_name(folder.name.removesuffix(PARTIAL_SUFFIX))
    if target.exists():
        raise RecordingError(f'{folder} cannot become {target}, which exists; rename one of them')
    file_path = folder / mcap_name(target.name)
    with _refusing(folder), locked(file_path) as file:
        return _recover(InterruptedFile(file, file_path), target)


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file that nobody is recording to, and keep others from it meanwhile.

    Raises:
        RecordingError: If somebody is.
    """
    with path.open('rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordingError(f'{path} is being recorded at this moment; stop the recorder '
                                 'instead') from error
        yield file


def _recover(source: InterruptedFile, target: Path) -> Recovery:
    folder = source.path.parent
    before = load_metadata(folder)
    draft = folder / f'.{source.path.name}.draft'
    try:
        copy = _copy(source, draft)
        copy.save_descriptions(folder, source.path.name, before)
        draft.replace(source.path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(folder)
    folder.rename(target)
    sync_directory(target.parent)
    return Recovery(path=target, messages=sum(copy.counts.values()), duration_s=copy.duration_s,
                    dropped_bytes=source.dropped_bytes)


def _copy(source: InterruptedFile, draft: Path) -> _Copy:
    with draft.open('wb') as file:
        copy = _Copy(file)
        for record in source.records():
            copy.add(record)
        if not sum(copy.counts.values()):
            raise RecordingError(f'{source.path} holds no message: nothing reached the disk '
                                 'before the interruption')
        copy.finish()
        file.flush()
        os.fsync(file.fileno())
    return copy


class _Copy:
    """A new file, fed with the records of an old one.

    Attributes:
        counts: Number of messages of each topic.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.counts: dict[Topic, int] = {}
        self._writer = Writer(file, chunk_size=CHUNK_BYTES)
        self._writer.start(profile='ros2', library=LIBRARY)
        self._schemas: dict[int, tuple[int, str]] = {}
        self._channels: dict[int, tuple[int, Topic]] = {}
        self._times_ns: list[int] = []

    @property
    def duration_s(self) -> float:
        return (self._times_ns[1] - self._times_ns[0]) / 1e9

    def add(self, record: Schema | Channel | Message) -> None:
        """Add a record; one whose schema or channel was in a damaged chunk means nothing."""
        if isinstance(record, Schema):
            self._schemas[record.id] = (self._writer.register_schema(
                record.name, record.encoding, record.data), record.name)
        elif isinstance(record, Channel) and record.schema_id in self._schemas:
            self._add_channel(record)
        elif isinstance(record, Message) and record.channel_id in self._channels:
            self._add_message(record)

    def finish(self) -> None:
        self._writer.finish()

    def save_descriptions(
        self, folder: Path, file_name: str, metadata: EpisodeMetadata,
    ) -> None:
        first_ns, last_ns = self._times_ns
        save_bag_metadata(
            folder, file_name=file_name, topics=self.counts, first_ns=first_ns, last_ns=last_ns)
        # Where the interruption came after the label was written, that label stands.
        label = (metadata.label if metadata.ended_ns is not None
                 else EpisodeLabel(note=RECOVERED_NOTE))
        save_metadata(folder, replace(
            metadata, label=label, ended_ns=metadata.ended_ns or last_ns,
            message_counts={topic.name: count for topic, count in self.counts.items()}))

    def _add_channel(self, channel: Channel) -> None:
        schema_id, type_name = self._schemas[channel.schema_id]
        topic = Topic(name=channel.topic, type_name=type_name, qos=TopicQos.from_yaml(
            channel.metadata['offered_qos_profiles']))
        self._channels[channel.id] = (self._writer.register_channel(
            channel.topic, channel.message_encoding, schema_id, channel.metadata), topic)
        self.counts[topic] = 0

    def _add_message(self, message: Message) -> None:
        channel_id, topic = self._channels[message.channel_id]
        self._writer.add_message(
            channel_id, message.log_time, message.data, message.publish_time, message.sequence)
        self.counts[topic] += 1
        first_ns, last_ns = self._times_ns or (message.log_time, message.log_time)
        self._times_ns = [min(first_ns, message.log_time), max(last_ns, message.log_time)]


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise RecordingError(
            f'{folder} is no recording of this package: {error.filename} is missing') from error
    except OSError as error:
        raise RecordingError(f'cannot recover {folder}: {error}; it is as it was') from error
