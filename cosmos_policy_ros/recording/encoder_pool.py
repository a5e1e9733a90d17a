# SPDX-License-Identifier: Apache-2.0
"""Threads that encode the images of an episode, each topic's in a way that keeps its order."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from cosmos_policy_ros.recording.image_encoding import ImageEncoder, ImageEncoding, make_encoder
from cosmos_policy_ros.recording.topic import Topic


class EncoderPool:
    """Encodes images in the background.

    Still images of all topics share the threads; every video stream has one of its own, because
    its images depend on one another. OpenCV and PyAV let other threads run meanwhile.
    """

    def __init__(self, encoding: ImageEncoding, *, threads: int) -> None:
        """Set up a pool with a number of threads for still images."""
        self._encoding = encoding
        self._stills = ThreadPoolExecutor(threads, thread_name_prefix='image encoder')
        self._videos: dict[str, ThreadPoolExecutor] = {}
        self._encoders: dict[str, ImageEncoder] = {}

    @property
    def encoders(self) -> Mapping[str, ImageEncoder]:
        """Name of each raw topic that is encoded to its encoder."""
        return self._encoders

    def add_topic(self, topic: Topic) -> ImageEncoder | None:
        """Take charge of a topic; return None if its messages are stored as they come.

        Raises:
            RecordingError: If the encoding needs a library that is not installed.
        """
        encoder = make_encoder(topic, self._encoding)
        if encoder is not None:
            self._encoders[topic.name] = encoder
            if encoder.is_stateful:
                self._videos[topic.name] = ThreadPoolExecutor(
                    1, thread_name_prefix='video encoder')
        return encoder

    def submit(self, topic_name: str, message: bytes) -> Future[bytes] | None:
        """Begin to encode a message; return None if its topic is stored as it comes."""
        encoder = self._encoders.get(topic_name)
        if encoder is None:
            return None
        return self._videos.get(topic_name, self._stills).submit(encoder.encode, message)

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        for pool in (self._stills, *self._videos.values()):
            pool.shutdown(cancel_futures=True)
