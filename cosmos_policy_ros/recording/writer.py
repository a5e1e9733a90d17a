# SPDX-License-Identifier: Apache-2.0
"""Episode writer: streams messages to disk; an episode appears under its name when complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
import fcntl
import os
from pathlib import Path
import re
import shutil
from threading import Lock

from mcap.writer import CompressionType, Writer

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.bag_metadata import save_bag_metadata
from cosmos_policy_ros.recording.durable_file import sync_and_close, sync_directory
from cosmos_policy_ros.recording.episode import (
    EpisodeLabel, EpisodeMetadata, PARTIAL_SUFFIX, save_metadata)
from cosmos_policy_ros.recording.schema import message_schema
from cosmos_policy_ros.recording.topic import Topic

LIBRARY = 'cosmos_policy_ros'
# Every chunk leaves an entry of about 1 kB in memory until the episode ends.
CHUNK_BYTES = 4 << 20
_LATEST_NS = 2**63 - 1
_CDR_HEADER_BYTES = 4
COMPRESSIONS = {'none': CompressionType.NONE, 'lz4': CompressionType.LZ4,
                'zstd': CompressionType.ZSTD}


def next_episode_name(directory: Path) -> str:
    """Return the first of `episode_000000`, ... above all that `directory` holds or began.

    Raises:
        RecordingError: If the folder cannot be listed.
    """
    pattern = re.compile(rf'episode_(\d{{6,}})({re.escape(PARTIAL_SUFFIX)})?')
    try:
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    except OSError as error:
        raise RecordingError(f'cannot list {directory}: {error}') from error
    taken = [int(match[1]) for match in map(pattern.fullmatch, names) if match]
    return f'episode_{max(taken, default=-1) + 1:06d}'


def mcap_name(episode_name: str) -> str:
    """Return the name of the file that holds the messages of an episode, as rosbag2 forms it."""
    return f'{episode_name}_0.mcap'


class EpisodeWriter:
    """Streams one episode to disk. All methods may be called from any thread.

    The messages go to `<name>.partial/` until `finish` renames it to `<name>/`, so that a folder
    without the suffix is always complete. Memory stays bounded by one chunk. While the episode is
    being recorded its file is locked, which ends with the process: by that `recover` knows what
    was interrupted.
    """

    def __init__(
        self, directory: Path, metadata: EpisodeMetadata, *, name: str | None = None,
        compression: str = 'zstd', overwrite: bool = False,
    ) -> None:
        """Begin an episode.

        Args:
            directory: Folder that holds the episodes; made if it does not exist.
            metadata: What is known at the start.
            name: Name of the episode; the next free `episode_NNNNNN` if None.
            compression: `zstd`, `lz4` or `none`.
            overwrite: Replace an episode of the same name once this one is complete.

        Raises:
            RecordingError: If the name is taken or no name, the compression is unknown, or the
                folder cannot be made.
        """
        if compression not in COMPRESSIONS:
            raise RecordingError(
                f'compression is {compression!r}; allowed are {", ".join(COMPRESSIONS)}')
        name = next_episode_name(directory) if name is None else name
        if not re.fullmatch(r'[\w-][\w.-]*', name) or name.endswith(PARTIAL_SUFFIX):
            raise RecordingError(
                f'episode name is {name!r}; allowed are letters, digits, "_", "-" and ".", not '
                f'first and not ending in {PARTIAL_SUFFIX}')
        self._path = directory / name
        self._partial = directory / f'{name}{PARTIAL_SUFFIX}'
        self._metadata = metadata
        self._overwrites = overwrite
        self._lock = Lock()
        self._problem = ''
        self._topics: dict[str, Topic] = {}
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._first_ns, self._last_ns = _LATEST_NS, 0
        self._make_folder()
        self._open_file(COMPRESSIONS[compression])

    @property
    def path(self) -> Path:
        """Folder that the episode will have once finished."""
        return self._path

    @property
    def message_counts(self) -> dict[str, int]:
        """Topic to number of messages written so far."""
        with self._lock:
            return dict(self._counts)

    @property
    def bytes_written(self) -> int:
        """Size of the file so far in [B], without the chunk in memory."""
        with self._lock:
            return self._file.tell() if not self._file.closed else self._size_bytes

    def add_topic(self, topic: Topic) -> None:
        """Announce a topic; possible at any time before `finish`.

        Raises:
            RecordingError: If the topic was added before, its message type is not installed, or
                the disk refuses.
        """
        with self._lock, self._writing():
            if topic.name in self._topics:
                raise RecordingError(f'topic {topic.name!r} was already added to {self._partial}')
            self._channels[topic.name] = self._writer.register_channel(
                topic.name, 'cdr', self._schema_id(topic.type_name),
                {'offered_qos_profiles': topic.qos.to_yaml()})
            self._topics[topic.name] = topic
            self._counts[topic.name] = 0

    def write(
        self, topic_name: str, message: bytes, *, log_time_ns: int, publish_time_ns: int,
    ) -> None:
        """Append a message.

        Args:
            topic_name: A topic that was added.
            message: The message as the middleware delivered it: CDR with its header.
            log_time_ns: Time of reception in [ns].
            publish_time_ns: Time of publication in [ns]; the log time where it is not known.

        Raises:
            RecordingError: If the topic was not added, a time or the message is not plausible, or
                the disk refuses.
        """
        if len(message) < _CDR_HEADER_BYTES:
            raise RecordingError(
                f'message of {len(message)} bytes on {topic_name!r}; serialised messages have at '
                f'least {_CDR_HEADER_BYTES}')
        for time_ns in (log_time_ns, publish_time_ns):
            if not 0 <= time_ns <= _LATEST_NS:
                raise RecordingError(
                    f'time {time_ns} ns of a message on {topic_name!r}; allowed is 0 to 2^63 - 1')
        with self._lock, self._writing():
            if topic_name not in self._channels:
                raise RecordingError(f'topic {topic_name!r} was not added to {self._partial}; '
                                     f'added are {", ".join(self._channels) or "none"}')
            self._writer.add_message(
                self._channels[topic_name], log_time_ns, message, publish_time_ns,
                self._counts[topic_name])
            self._counts[topic_name] += 1
            self._first_ns = min(self._first_ns, log_time_ns)
            self._last_ns = max(self._last_ns, log_time_ns)

    def flush(self) -> None:
        """Write what memory still holds; it then survives the end of this process.

        Raises:
            RecordingError: If the episode was ended before or the disk refuses.
        """
        with self._lock, self._writing():
            self._writer.flush()

    def sync(self) -> None:
        """Wait until the disk has what was flushed; it then survives a power cut.

        Other threads may write meanwhile.

        Raises:
            RecordingError: If the episode was ended before or the disk refuses.
        """
        with self._lock, self._writing():
            descriptor = os.dup(self._file.fileno())
        try:
            sync_and_close(descriptor)
        except OSError as error:
            with self._lock:
                raise self._refused(error) from error

    def finish(self, label: EpisodeLabel, *, ended_ns: int) -> Path:
        """Complete the episode on disk and give it its name.

        Args:
            label: How the episode ended.
            ended_ns: Time of the end in [ns].

        Returns:
            The folder of the episode.

        Raises:
            RecordingError: If it was ended before or the disk refuses; the partial folder stays.
        """
        with self._lock, self._writing():
            self._problem = f'{self._partial} is incomplete: finishing it failed'
            try:
                self._complete(label, ended_ns)
            finally:
                # Last, because the lock goes with it.
                self._close_file()
            self._problem = f'episode {self._path} is finished'
            return self._path

    def discard(self) -> None:
        """Delete the episode; allowed after a failure, refused after `finish`.

        Raises:
            RecordingError: If the episode is finished or cannot be deleted.
        """
        with self._lock:
            if not self._partial.exists():
                raise RecordingError(f'cannot discard: {self._problem}')
            self._close_file()
            try:
                shutil.rmtree(self._partial)
            except OSError as error:
                raise RecordingError(f'cannot delete {self._partial}: {error}') from error
            self._problem = f'episode {self._path} is discarded'

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.mkdir()
        except FileExistsError as error:
            raise RecordingError(f'episode {self._partial} exists; episodes are never '
                                 'overwritten') from error
        except OSError as error:
            raise RecordingError(f'cannot make {self._partial}: {error}') from error
        if self._path.exists() and not self._overwrites:
            self._partial.rmdir()
            raise RecordingError(f'episode {self._path} exists; episodes are never overwritten')

    def _open_file(self, compression: CompressionType) -> None:
        self._size_bytes = 0
        with self._writing():
            # First, so that a file with messages never lacks what is known about them.
            save_metadata(self._partial, self._metadata)
            self._file = (self._partial / self._file_name).open('wb')
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._writer = Writer(
                self._file, chunk_size=CHUNK_BYTES, compression=compression)
            self._writer.start(profile='ros2', library=LIBRARY)
            self._file.flush()
            sync_directory(self._partial)
            sync_directory(self._partial.parent)

    @property
    def _file_name(self) -> str:
        return mcap_name(self._path.name)

    def _close_file(self) -> None:
        if not self._file.closed:
            self._size_bytes = self._file.tell()
            # Fails on a full disk, where it tries once more to write; closed it is all the same.
            with suppress(OSError):
                self._file.close()

    def _schema_id(self, type_name: str) -> int:
        if type_name not in self._schemas:
            text = message_schema(type_name)
            self._schemas[type_name] = self._writer.register_schema(
                type_name, 'ros2msg', text.encode())
        return self._schemas[type_name]

    def _complete(self, label: EpisodeLabel, ended_ns: int) -> None:
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._save_descriptions(label, ended_ns)
        if self._overwrites:
            self._remove_replaced()
        if self._path.exists():
            raise OSError(f'{self._path} appeared during the recording')
        self._partial.rename(self._path)
        sync_directory(self._path.parent)

    def _remove_replaced(self) -> None:
        """Delete the episode that has our name; an interruption never leaves half of it there."""
        aside = self._partial / 'replaced'
        if self._path.exists():
            self._path.rename(aside)
            shutil.rmtree(aside)

    def _save_descriptions(self, label: EpisodeLabel, ended_ns: int) -> None:
        topics: Mapping[Topic, int] = {
            topic: self._counts[name] for name, topic in self._topics.items()}
        save_bag_metadata(
            self._partial, file_name=self._file_name, topics=topics,
            first_ns=min(self._first_ns, self._last_ns), last_ns=self._last_ns)
        save_metadata(self._partial, replace(
            self._metadata, label=label, ended_ns=ended_ns, message_counts=self._counts))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._problem:
            raise RecordingError(f'cannot write: {self._problem}')
        try:
            yield
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RecordingError:
        self._problem = f'{self._partial} is incomplete: {error}'
        self._close_file()
        return RecordingError(
            f'cannot write {self._partial}: {error}; what it holds can be had back with '
            f'`cosmos-policy recover {self._partial}`')
