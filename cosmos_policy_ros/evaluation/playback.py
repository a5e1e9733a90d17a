# SPDX-License-Identifier: Apache-2.0
"""An episode as moments at a steady rate: what each camera showed, what had been imagined."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.recording.decode import decoded_messages, image_decoder, stamp_ns
from cosmos_policy_ros.recording.image_encoding import VIDEO_TYPE
from cosmos_policy_ros.recording.reader import EpisodeReader

_NS_PER_S = 1_000_000_000
# Images are received later than they are stamped; those of a moment are waited for this long.
_WAIT_NS = 300_000_000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and the time that it stands for.

    Attributes:
        stamp_ns: The time in [ns].
        pixels: RGB image of shape (H, W, 3), uint8.
    """

    stamp_ns: int
    pixels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What an episode shows at one time. Unchanged parts are the same objects as before.

    Attributes:
        time_ns: The time in [ns].
        live: Camera to its newest picture; None before the first.
        imagined: Camera to the newest picture imagined for that time or before it; None before
            the first, absent where the policy imagines nothing for the camera.
        chunk: Newest ActionChunk message received by that time; None before the first.
    """

    time_ns: int
    live: dict[str, Picture | None]
    imagined: dict[str, Picture | None]
    chunk: Any


class Playback:
    """The moments of an episode at a steady rate, read as they are asked for."""

    def __init__(
        self, reader: EpisodeReader, topics: EpisodeTopics, *, frame_rate_hz: int,
    ) -> None:
        """Find the cameras of an episode.

        Raises:
            RecordingError: If it has no camera images.
        """
        self._reader = reader
        self._topics = topics
        recorded = {name: topic for name, topic in reader.topics.items() if topic.count}
        self.cameras = tuple(c for c, topic in topics.cameras.items() if topic in recorded)
        if not self.cameras:
            raise RecordingError(f'episode {reader.path} has no camera images; looked for '
                                 f'{", ".join(topics.cameras.values())}')
        self._imagined = [c for c in self.cameras if topics.predicted.get(c) in recorded]
        live = [recorded[topics.cameras[camera]] for camera in self.cameras]
        self.start_ns = min(topic.first_ns for topic in live)
        self._end_ns = max(topic.last_ns for topic in live)
        self._period_ns = Fraction(_NS_PER_S, frame_rate_hz)

    @property
    def has_imagined(self) -> bool:
        """Whether the policy imagined anything for any camera."""
        return bool(self._imagined)

    def __len__(self) -> int:
        """Return the number of moments."""
        return int((self._end_ns - self.start_ns) / self._period_ns) + 1

    def __iter__(self) -> Iterator[Moment]:
        """Iterate over the moments.

        Raises:
            RecordingError: If the episode is damaged or an image cannot be decoded.
        """
        timelines = self._make_timelines()
        times_ns = iter([self.start_ns + int(k * self._period_ns) for k in range(len(self))])
        next_ns = next(times_ns)
        wanted = [topic for topic in timelines if topic in self._reader.topics]
        for topic, log_time_ns, message in decoded_messages(self._reader, wanted):
            while next_ns is not None and next_ns + _WAIT_NS < log_time_ns:
                yield self._moment(next_ns, timelines)
                next_ns = next(times_ns, None)
            is_chunk = topic == self._topics.chunks
            timelines[topic].add(log_time_ns if is_chunk else stamp_ns(message), message)
        while next_ns is not None:
            yield self._moment(next_ns, timelines)
            next_ns = next(times_ns, None)

    def _make_timelines(self) -> dict[str, _Timeline]:
        images = [*(self._topics.cameras[camera] for camera in self.cameras),
                  *(self._topics.predicted[camera] for camera in self._imagined)]
        timelines = {topic: _image_timeline(self._reader.topics[topic].type_name)
                     for topic in images}
        timelines[self._topics.chunks] = _Timeline(lambda message: message)
        return timelines

    def _moment(self, time_ns: int, timelines: dict[str, _Timeline]) -> Moment:
        topics = self._topics
        return Moment(
            time_ns=time_ns, chunk=timelines[topics.chunks].newest_at(time_ns),
            live={camera: timelines[topics.cameras[camera]].newest_at(time_ns)
                  for camera in self.cameras},
            imagined={camera: timelines[topics.predicted[camera]].newest_at(time_ns)
                      for camera in self._imagined})


class _Timeline:
    """Messages of one topic in the order of their times; converts only those that are shown.

    Where each needs the one before it, as in a video, all are converted.
    """

    def __init__(self, convert: Callable[[Any], Any], *, is_shown_only: bool = True) -> None:
        self._convert = convert if is_shown_only else lambda picture: picture
        self._prepare = (lambda message: message) if is_shown_only else convert
        self._waiting: deque[tuple[int, Any]] = deque()
        self._newest: Any = None

    def add(self, time_ns: int, message: Any) -> None:
        self._waiting.append((time_ns, self._prepare(message)))

    def newest_at(self, time_ns: int) -> Any:
        """Return the last one at or before a time that never goes back; None without any."""
        message = None
        while self._waiting and self._waiting[0][0] <= time_ns:
            message = self._waiting.popleft()[1]
        if message is not None:
            self._newest = self._convert(message)
        return self._newest


def _image_timeline(type_name: str) -> _Timeline:
    return _Timeline(partial(_picture, image_decoder(type_name)),
                     is_shown_only=type_name != VIDEO_TYPE)


def _picture(decode: Callable[[Any], np.ndarray], message: Any) -> Picture:
    return Picture(stamp_ns=stamp_ns(message), pixels=decode(message))
