# SPDX-License-Identifier: Apache-2.0
"""Writing on a thread of its own, so that whoever receives messages never waits for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Thread
import time

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.encoder_pool import EncoderPool
from cosmos_policy_ros.recording.image_encoding import ImageEncoding
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter


@dataclass(frozen=True, kw_only=True)
class WaitingMessage:
    """A message on its way to disk.

    Attributes:
        topic_name: Its topic.
        data: The message as the middleware delivered it.
        log_time_ns: Time of reception in [ns].
        publish_time_ns: Time of publication in [ns].
    """

    topic_name: str
    data: bytes
    log_time_ns: int
    publish_time_ns: int


@dataclass(frozen=True, kw_only=True)
class WriteSettings:
    """How messages reach the disk.

    Attributes:
        max_waiting_bytes: How much may wait for encoders and disk in [B].
        encoding: How raw images are stored.
        encoder_threads: Threads that encode still images.
        flush_period_s: A process that is killed loses at most the messages of this time, in [s].
        sync: Also force them onto the disk, so that the same holds for a power cut.
    """

    max_waiting_bytes: int = 200 * 10**6
    encoding: ImageEncoding = ImageEncoding(kind='raw')
    encoder_threads: int = 2
    flush_period_s: float = 0.5
    sync: bool = True


class BackgroundWriter:
    """Hands messages to an episode writer in their order, images encoded. Thread-safe.

    Memory is bounded: a message that finds no room is refused, which the caller counts as lost.
    """

    def __init__(
        self, writer: EpisodeWriter, settings: WriteSettings = WriteSettings(), *,
        on_notice: Callable[[str], None] = lambda text: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Start the threads.

        Args:
            writer: Writes the messages; only the thread calls its `write`.
            settings: How they reach the disk.
            on_notice: Told once per topic whose images cannot be encoded; called by the thread.
            clock_ns: Steady clock in [ns].
        """
        self._writer = writer
        self._settings = settings
        self._on_notice = on_notice
        self._clock_ns = clock_ns
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix='disk sync')
        self._syncing: Future[None] | None = None
        self._encoders = EncoderPool(settings.encoding, threads=settings.encoder_threads)
        self._raw_topics: dict[str, Topic] = {}
        self._claimed: dict[str, str] = {}
        self._announced: set[str] = set()
        self._flush_due_ns: int | None = None
        self._waiting: deque[tuple[WaitingMessage, Future[bytes] | None]] = deque()
        self._waiting_bytes = 0
        self._is_closed = False
        self._condition = Condition()
        self._problem: RecordingError | None = None
        self._thread = Thread(target=self._run, name='episode writer', daemon=True)
        self._thread.start()

    @property
    def problem(self) -> RecordingError | None:
        """Why nothing is written any more; None while all is well."""
        with self._condition:
            return self._problem

    @property
    def encoding(self) -> ImageEncoding:
        """How raw images are stored."""
        return self._settings.encoding

    def add_topic(self, topic: Topic) -> None:
        """Announce a topic before its first message.

        A topic of images that are encoded is announced to the episode with its first image, under
        the name of what it becomes.

        Raises:
            RecordingError: If the topic or one that is stored under its name was added before, its
                message type or encoder is not installed, or the disk refuses.
        """
        encoder = self._encoders.add_topic(topic)
        stored = topic if encoder is None else encoder.stored
        if stored.name in self._claimed:
            raise RecordingError(f'{topic.name} cannot be stored as {stored.name}: that is where '
                                 f'{self._claimed[stored.name]} goes')
        if encoder is None:
            self._writer.add_topic(topic)
        else:
            self._raw_topics[topic.name] = topic
        self._claimed[stored.name] = topic.name

    def put(self, message: WaitingMessage) -> bool:
        """Take a message; return False if there is no room for it or the disk refused before."""
        with self._condition:
            is_full = (self._waiting_bytes + len(message.data)
                       > self._settings.max_waiting_bytes)
            if self._is_closed or self._problem is not None or is_full:
                return False
            self._waiting.append(
                (message, self._encoders.submit(message.topic_name, message.data)))
            self._waiting_bytes += len(message.data)
            self._condition.notify()
            return True

    def close(self) -> None:
        """Write what is waiting and end the threads.

        Raises:
            RecordingError: If the disk refused a message.
        """
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        try:
            while self._wait():
                self._write_next()
                self._flush_if_due()
        # Whatever ends this thread must not end the recording unnoticed.
        except Exception as error:
            with self._condition:
                self._problem = (error if isinstance(error, RecordingError)
                                 else RecordingError(f'the episode writer failed: {error!r}'))
                self._waiting.clear()
        self._encoders.close()
        self._syncer.shutdown()

    def _wait(self) -> bool:
        """Wait for a message or the time to flush; return False once all is written."""
        timeout_s = None
        if self._flush_due_ns is not None:
            timeout_s = max(0.0, (self._flush_due_ns - self._clock_ns()) / 1e9)
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._is_closed, timeout_s)
            return bool(self._waiting) or not self._is_closed

    def _write_next(self) -> None:
        with self._condition:
            if not self._waiting:
                return
            message, encoded = self._waiting[0]
        topic_name, data = ((message.topic_name, message.data) if encoded is None
                            else self._encoded(message, encoded))
        self._writer.write(topic_name, data, log_time_ns=message.log_time_ns,
                           publish_time_ns=message.publish_time_ns)
        with self._condition:
            self._waiting.popleft()
            self._waiting_bytes -= len(message.data)
        if self._flush_due_ns is None:
            self._flush_due_ns = self._clock_ns() + int(self._settings.flush_period_s * 1e9)

    def _encoded(self, message: WaitingMessage, encoded: Future[bytes]) -> tuple[str, bytes]:
        """Return name and data of what is stored: the image as it came if it has no encoding."""
        try:
            data = encoded.result()
        except RecordingError as error:
            topic, data = self._raw_topics[message.topic_name], message.data
            if topic.name not in self._announced:
                self._on_notice(f'{topic.name} is stored as it comes: {error}')
        else:
            topic = self._encoders.encoders[message.topic_name].stored
        if topic.name not in self._announced:
            self._writer.add_topic(topic)
            self._announced.add(topic.name)
        return topic.name, data

    def _flush_if_due(self) -> None:
        if self._flush_due_ns is not None and self._clock_ns() >= self._flush_due_ns:
            self._flush_due_ns = None
            self._writer.flush()
            self._sync()

    def _sync(self) -> None:
        """Let the disk catch up meanwhile, unless it still does.

        Raises:
            RecordingError: If it refused the last time.
        """
        if self._settings.sync and (self._syncing is None or self._syncing.done()):
            if self._syncing is not None:
                self._syncing.result()
            self._syncing = self._syncer.submit(self._writer.sync)
