# SPDX-License-Identifier: Apache-2.0
"""Episode reader: what an episode holds, and its messages one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import io
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.reader import make_reader
from mcap.records import MessageIndex, Schema
from mcap.summary import Summary
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import load_metadata, PARTIAL_SUFFIX

_MAGIC = b'\x89MCAP0\r\n'
_RECORD_HEADER_BYTES = 9


class RecordedMessage(NamedTuple):
    """One message as the middleware delivered it.

    Attributes:
        topic: Name of its topic.
        log_time_ns: Time of reception in [ns].
        publish_time_ns: Time of publication in [ns].
        data: The message, CDR with its header.
    """

    topic: str
    log_time_ns: int
    publish_time_ns: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class TopicStatistics:
    """How a topic was received.

    Attributes:
        name: Name of the topic.
        type_name: Message type.
        count: Number of messages.
        first_ns: Log time of the first message in [ns]; None without messages.
        last_ns: Log time of the last message in [ns]; None without messages.
        rate_hz: Mean rate between first and last message in [Hz]; None if they are one moment.
        largest_gap_s: Longest time between two messages in [s]; None with fewer than two.
    """

    name: str
    type_name: str
    count: int
    first_ns: int | None
    last_ns: int | None
    rate_hz: float | None
    largest_gap_s: float | None


class EpisodeReader:
    """A finished episode on disk. Holds no file open between calls.

    Attributes:
        path: Folder of the episode.
        metadata: What is known about it besides its messages.
        topics: Name of each topic to its statistics.
    """

    def __init__(self, path: Path) -> None:
        """Open the episode in the folder `path`.

        Raises:
            RecordingError: If it is no finished episode, or its files are cut off or damaged.
        """
        if not path.is_dir():
            raise RecordingError(f'there is no episode folder {path}')
        if path.name.endswith(PARTIAL_SUFFIX):
            raise RecordingError(
                f'episode {path} is partial: its recording runs or was interrupted')
        self.path = path
        self.metadata = load_metadata(path)
        self._file_path = _find_file(path)
        with self._open() as file:
            summary = _read_summary(file, self._file_path)
            self.topics = _compute_statistics(file, summary)
            self._schemas = {channel.topic: summary.schemas[channel.schema_id]
                             for channel in summary.channels.values()}

    @property
    def size_bytes(self) -> int:
        """Size of the messages on disk in [B]."""
        return self._file_path.stat().st_size

    def schema(self, topic: str) -> Schema:
        """Return the schema of a topic.

        Raises:
            RecordingError: If the episode has no such topic.
        """
        self._check_topics([topic])
        return self._schemas[topic]

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Iterate over the messages in the order of their log time, reading as it goes.

        Args:
            topics: Topics to read; all if None.

        Raises:
            RecordingError: If the episode lacks a topic, or a part of the file is damaged.
        """
        if topics is not None:
            self._check_topics(topics)
        return self._read_messages(topics)

    def _read_messages(self, topics: Collection[str] | None) -> Iterator[RecordedMessage]:
        with self._open() as file:
            reader = make_reader(file, validate_crcs=True)
            for _, channel, message in reader.iter_messages(topics=topics):
                yield RecordedMessage(
                    channel.topic, message.log_time, message.publish_time, message.data)

    def _check_topics(self, topics: Collection[str]) -> None:
        missing = [topic for topic in topics if topic not in self.topics]
        if missing:
            raise RecordingError(f'episode {self.path} has no topic {", ".join(missing)}; it has '
                                 f'{", ".join(self.topics) or "none"}')

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with self._file_path.open('rb') as file:
                yield file
        except RecordingError:
            raise
        # The parser has no one error for damage: it raises what the bytes lead it to.
        except Exception as error:
            raise RecordingError(
                f'{self._file_path} is damaged: {type(error).__name__} {error}') from error


def _find_file(path: Path) -> Path:
    files = sorted(path.glob('*.mcap'))
    if len(files) != 1:
        raise RecordingError(f'episode {path} has {len(files)} MCAP files; expected one')
    return files[0]


def _read_summary(file: BinaryIO, path: Path) -> Summary:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise RecordingError(f'{path} is no MCAP file')
    file.seek(-min(len(_MAGIC), path.stat().st_size), io.SEEK_END)
    if file.read() != _MAGIC:
        raise RecordingError(f'{path} is cut off after {path.stat().st_size} bytes')
    file.seek(0)
    summary = make_reader(file).get_summary()
    if summary is None or summary.statistics is None:
        raise RecordingError(f'{path} has no summary; it was not written by this package')
    return summary


def _compute_statistics(file: BinaryIO, summary: Summary) -> dict[str, TopicStatistics]:
    times_ns: dict[int, list[int]] = {channel_id: [] for channel_id in summary.channels}
    for chunk in summary.chunk_indexes:
        for channel_id, offset in chunk.message_index_offsets.items():
            file.seek(offset + _RECORD_HEADER_BYTES)
            index = MessageIndex.read(ReadDataStream(file))
            times_ns[channel_id] += [log_time for log_time, _ in index.records]
    return {channel.topic: _describe(
        channel.topic, summary.schemas[channel.schema_id].name, np.sort(times_ns[channel_id]))
        for channel_id, channel in summary.channels.items()}


def _describe(name: str, type_name: str, times_ns: np.ndarray) -> TopicStatistics:
    count = len(times_ns)
    first_ns, last_ns = (int(times_ns[0]), int(times_ns[-1])) if count else (None, None)
    span_s = (last_ns - first_ns) / 1e9 if count else 0.0
    return TopicStatistics(
        name=name, type_name=type_name, count=count, first_ns=first_ns, last_ns=last_ns,
        rate_hz=(count - 1) / span_s if span_s else None,
        largest_gap_s=float(np.diff(times_ns).max()) / 1e9 if count > 1 else None)
