# SPDX-License-Identifier: Apache-2.0
"""Raw images become compressed ones on their way to disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.cdr_image import compressed_image, ImageParts, parse_image
from cosmos_policy_ros.recording.topic import Topic

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_TYPE = 'sensor_msgs/msg/CompressedImage'
VIDEO_TYPE = 'foxglove_msgs/msg/CompressedVideo'
ENCODING_KINDS = ('jpeg', 'png', 'h264', 'raw')

# Encoding of an image to its channels. Depth, Bayer and the like have no one lossy form.
_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1}
# Compression level 1: three times as fast as the default for a tenth more bytes.
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)


@dataclass(frozen=True, kw_only=True)
class ImageEncoding:
    """How raw images are stored.

    Attributes:
        kind: `jpeg`; `png`, lossless; `h264`, a video stream; `raw`, as they came.
        jpeg_quality: 1 to 100.
        video_crf: Constant rate factor of H.264: 0 is lossless, 51 the worst.
        video_topics: Topics that are stored as H.264 whatever `kind` says.

    Raises:
        RecordingError: If a value is not allowed.
    """

    kind: str = 'jpeg'
    jpeg_quality: int = 90
    video_crf: int = 20
    video_topics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ENCODING_KINDS:
            raise RecordingError(
                f'image encoding is {self.kind!r}; allowed are {", ".join(ENCODING_KINDS)}')
        for name, low, high in (('jpeg_quality', 1, 100), ('video_crf', 0, 51)):
            if not low <= getattr(self, name) <= high:
                raise RecordingError(
                    f'{name} is {getattr(self, name)}; allowed is {low} to {high}')

    def kind_of(self, topic_name: str) -> str:
        """Return how the images of a topic are stored."""
        return 'h264' if topic_name in self.video_topics else self.kind


class ImageEncoder(Protocol):
    """Turns the messages of one raw topic into those of a stored one.

    Attributes:
        stored: The topic that receives them.
        is_stateful: Whether messages have to be encoded one after the other, in their order.
    """

    stored: Topic
    is_stateful: bool

    def encode(self, message: bytes) -> bytes:
        """Encode one serialized sensor_msgs/Image.

        Raises:
            RecordingError: If the image has no encoding that this encoder takes, or its data do
                not fit its size. It can then still be stored as it came.
        """


def stored_image_topic(raw_name: str, recorded: Collection[str]) -> str:
    """Return the name under which an episode holds the images of a raw topic.

    Args:
        raw_name: Name of the raw topic.
        recorded: Names of the topics that the episode holds; where it holds none for the images,
            the raw name is returned.
    """
    return next((name for name in stored_names(raw_name) if name in recorded), raw_name)


def stored_names(raw_name: str) -> tuple[str, str, str]:
    """Return the names under which images of a raw topic are stored: as they come or encoded."""
    return raw_name, f'{raw_name}/compressed', f'{raw_name}/h264'


def make_encoder(topic: Topic, encoding: ImageEncoding) -> ImageEncoder | None:
    """Return what encodes the messages of a topic; None if they are stored as they come.

    Raises:
        RecordingError: If PyAV is asked for and missing.
    """
    kind = encoding.kind_of(topic.name)
    if topic.type_name != IMAGE_TYPE or kind == 'raw':
        return None
    if kind == 'h264':
        from cosmos_policy_ros.recording.video_encoder import VideoEncoder
        return VideoEncoder(topic, crf=encoding.video_crf)
    return StillEncoder(topic, kind=kind, jpeg_quality=encoding.jpeg_quality)


class StillEncoder:
    """JPEG or PNG under `<topic>/compressed`, in the form of ROS's image_transport."""

    is_stateful = False

    def __init__(self, topic: Topic, *, kind: str, jpeg_quality: int) -> None:
        """Set up an encoder of kind `jpeg` or `png` for a topic."""
        self.stored = replace(topic, name=f'{topic.name}/compressed', type_name=COMPRESSED_TYPE)
        self._kind = kind
        self._suffix = {'jpeg': '.jpg', 'png': '.png'}[kind]
        self._options = ((cv2.IMWRITE_JPEG_QUALITY, jpeg_quality) if kind == 'jpeg'
                         else _PNG_OPTIONS)

    def encode(self, message: bytes) -> bytes:
        """Encode one image, see `ImageEncoder`."""
        image = parse_image(message)
        pixels = image_view(image)
        try:
            if image.encoding == 'rgb8':
                pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode(self._suffix, pixels, self._options)
        except cv2.error as error:
            raise RecordingError(f'{self.stored.name}: {self._kind} refuses an image of '
                                 f'{image.width} x {image.height}: {error.err}') from error
        return compressed_image(image, self._format(image.encoding), data.tobytes())

    def _format(self, encoding: str) -> str:
        # The order of the channels that OpenCV finds in the file; grey needs none.
        target = 'bgr8' if _CHANNELS[encoding] == 3 else ''
        return f'{encoding}; {self._kind} compressed {target}'


def image_view(image: ImageParts) -> np.ndarray:
    """Return the pixels of an image without copying them.

    Returns:
        View of shape (H, W, 3), or (H, W) for `mono8`, uint8, read-only.

    Raises:
        RecordingError: If the encoding is none of `rgb8`, `bgr8` and `mono8`, or the data do not
            fit the size.
    """
    channels = _CHANNELS.get(image.encoding)
    if channels is None:
        raise RecordingError(f'image encoding is {image.encoding!r}; compressed are '
                             f'{", ".join(_CHANNELS)}')
    row_bytes = channels * image.width
    is_empty = not image.width or not image.height
    if is_empty or image.step < row_bytes or len(image.data) != image.step * image.height:
        raise RecordingError(
            f'image of {image.width} x {image.height} pixels, {image.encoding}, step '
            f'{image.step}, has {len(image.data)} bytes')
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)[:, :row_bytes]
    return rows if channels == 1 else rows.reshape(image.height, image.width, channels)
