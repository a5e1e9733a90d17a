# SPDX-License-Identifier: Apache-2.0
"""Writing on a thread of its own, so that whoever receives messages never waits for the disk."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread

from cosmos_policy_ros.errors import RecordingError
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


class BackgroundWriter:
    """Hands messages to an episode writer in their order. Thread-safe.

    Memory is bounded: a message that finds no room is refused, which the caller counts as lost.
    """

    def __init__(self, writer: EpisodeWriter, *, max_waiting_bytes: int) -> None:
        """Start the thread.

        Args:
            writer: Writes the messages; only the thread calls its `write`.
            max_waiting_bytes: How much may wait for the disk in [B].
        """
        self._writer = writer
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[WaitingMessage] = deque()
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

    def put(self, message: WaitingMessage) -> bool:
        """Take a message; return False if there is no room for it or the disk refused before."""
        with self._condition:
            is_full = self._waiting_bytes + len(message.data) > self._max_waiting_bytes
            if self._is_closed or self._problem is not None or is_full:
                return False
            self._waiting.append(message)
            self._waiting_bytes += len(message.data)
            self._condition.notify()
            return True

    def close(self) -> None:
        """Write what is waiting and end the thread.

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
        while (message := self._next()) is not None:
            try:
                self._writer.write(
                    message.topic_name, message.data, log_time_ns=message.log_time_ns,
                    publish_time_ns=message.publish_time_ns)
            except RecordingError as error:
                with self._condition:
                    self._problem = error
                    self._waiting.clear()
                return

    def _next(self) -> WaitingMessage | None:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._is_closed)
            if not self._waiting:
                return None
            message = self._waiting.popleft()
            self._waiting_bytes -= len(message.data)
            return message
