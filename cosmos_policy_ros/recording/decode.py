# SPDX-License-Identifier: Apache-2.0
"""Recorded messages as objects, by the definitions that the episode itself carries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from mcap_ros2.decoder import DecoderFactory
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.reader import EpisodeReader

_COLOUR_ENCODINGS = ('rgb8', 'bgr8')


class DecodedMessage(NamedTuple):
    """One decoded message.

    Attributes:
        topic: Name of its topic.
        log_time_ns: Time of reception in [ns].
        message: Object with the fields of the message; byte arrays are `bytes`, others lists.
    """

    topic: str
    log_time_ns: int
    message: Any


def decoded_messages(
    reader: EpisodeReader, topics: Collection[str] | None = None,
) -> Iterator[DecodedMessage]:
    """Iterate over the decoded messages of an episode in the order of their log time.

    Args:
        reader: The episode.
        topics: Topics to read; all if None.

    Raises:
        RecordingError: If the episode lacks a topic, the file is damaged, or a message does not
            fit the definition of its type.
    """
    messages = reader.messages(topics)
    factory = DecoderFactory()
    decoders = {topic: factory.decoder_for('cdr', reader.schema(topic))
                for topic in (reader.topics if topics is None else topics)}
    foreign = [topic for topic, decode in decoders.items() if decode is None]
    if foreign:
        raise RecordingError(f'{reader.path}: schema of {", ".join(foreign)} is no ros2msg')
    return (DecodedMessage(topic, log_time_ns, _decode(decoders[topic], data, reader, topic))
            for topic, log_time_ns, _, data in messages)


def _decode(
    decode: Callable[[bytes], Any], data: bytes, reader: EpisodeReader, topic: str,
) -> Any:
    try:
        return decode(data)
    # The decoder has no one error for damage: it raises what the bytes lead it to.
    except Exception as error:
        raise RecordingError(
            f'{reader.path}: a message on {topic!r} is no {reader.topics[topic].type_name}: '
            f'{error}') from error


def stamp_ns(message: Any) -> int:
    """Return the stamp of a message's header in [ns]."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def image_pixels(image: SimpleNamespace) -> np.ndarray:
    """Return the pixels of a decoded sensor_msgs/Image as RGB, without copying them.

    Returns:
        View of shape (H, W, 3), uint8, read-only.

    Raises:
        RecordingError: If the encoding is not rgb8 or bgr8, or the data do not fit the size.
    """
    if image.encoding not in _COLOUR_ENCODINGS:
        raise RecordingError(f'image encoding is {image.encoding!r}; '
                             f'allowed are {", ".join(_COLOUR_ENCODINGS)}')
    if image.step < 3 * image.width or len(image.data) != image.step * image.height:
        raise RecordingError(
            f'image of {image.width} x {image.height} pixels, step {image.step}, has '
            f'{len(image.data)} bytes')
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = rows[:, :3 * image.width].reshape(image.height, image.width, 3)
    return pixels if image.encoding == 'rgb8' else pixels[..., ::-1]
