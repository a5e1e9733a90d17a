# SPDX-License-Identifier: Apache-2.0
"""Recorded messages as objects, by the definitions that the episode itself carries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
from mcap_ros2.decoder import DecoderFactory
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.image_encoding import (
    COMPRESSED_TYPE, IMAGE_TYPE, VIDEO_TYPE)
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.video_decoder import VideoDecoder

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
    """Return the stamp of a message's header, or that of a video picture, in [ns]."""
    stamp = message.header.stamp if hasattr(message, 'header') else message.timestamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def image_decoder(type_name: str) -> Callable[[Any], np.ndarray]:
    """Return what turns the decoded messages of one image topic into RGB pixels.

    Args:
        type_name: Image, CompressedImage or CompressedVideo. The decoder of a video has to be
            given every message of its topic, in their order.

    Raises:
        RecordingError: If the type is none of images, or PyAV is needed and missing. The decoder
            raises it for an image that cannot be decoded.
    """
    if type_name == VIDEO_TYPE:
        return VideoDecoder().decode
    decoders = {IMAGE_TYPE: image_pixels, COMPRESSED_TYPE: compressed_pixels}
    if type_name not in decoders:
        raise RecordingError(f'{type_name!r} is no image; allowed are '
                             f'{", ".join((*decoders, VIDEO_TYPE))}')
    return decoders[type_name]


def compressed_pixels(image: SimpleNamespace) -> np.ndarray:
    """Decode a decoded sensor_msgs/CompressedImage.

    Returns:
        RGB image of shape (H, W, 3), uint8.

    Raises:
        RecordingError: If the data are no image that OpenCV reads.
    """
    data = np.frombuffer(image.data, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if pixels is None:
        raise RecordingError(f'compressed image of {len(data)} bytes, format {image.format!r}, '
                             'cannot be decoded')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


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
