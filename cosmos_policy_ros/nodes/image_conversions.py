# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays and back: the only place that touches their fields."""

from __future__ import annotations

import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.nodes.conversions import stamp_from_ns

# Encoding to (channels, OpenCV conversion to RGB).
_ENCODINGS = {'rgb8': (3, None), 'bgr8': (3, cv2.COLOR_BGR2RGB),
              'rgba8': (4, cv2.COLOR_RGBA2RGB), 'bgra8': (4, cv2.COLOR_BGRA2RGB)}


def rgb_from_image(msg: Image) -> np.ndarray:
    """Decode an image message.

    Returns:
        RGB image, shape (H, W, 3), uint8. A view of the message where the encoding allows it.

    Raises:
        ObservationError: If the encoding is not a colour encoding of 8 bits, or the data does not
            fit height, width and step.
    """
    if msg.encoding not in _ENCODINGS:
        raise ObservationError(
            f'image encoding {msg.encoding!r} of {msg.header.frame_id!r} is not usable; '
            f'allowed is {", ".join(_ENCODINGS)}')
    channels, conversion = _ENCODINGS[msg.encoding]
    row_bytes = msg.width * channels
    if msg.step < row_bytes or len(msg.data) != msg.step * msg.height or not len(msg.data):
        raise ObservationError(
            f'image of {msg.header.frame_id!r} is {msg.width}x{msg.height} {msg.encoding} with '
            f'step {msg.step} but holds {len(msg.data)} bytes; expected a step of at least '
            f'{row_bytes} and {msg.step * msg.height} bytes')
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    pixels = rows[:, :row_bytes].reshape(msg.height, msg.width, channels)
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def rgb_from_compressed(msg: CompressedImage) -> np.ndarray:
    """Decode a compressed image message (JPEG or PNG) to RGB, shape (H, W, 3), uint8.

    Raises:
        ObservationError: If the data cannot be decoded.
    """
    data = np.frombuffer(msg.data, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if pixels is None:
        raise ObservationError(
            f'compressed image of {msg.header.frame_id!r} with format {msg.format!r} and '
            f'{len(data)} bytes cannot be decoded')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def image_from_rgb(rgb: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """Image message, encoding rgb8, of an RGB image of shape (H, W, 3), uint8."""
    height, width, _ = rgb.shape
    return Image(
        header=Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id), height=height,
        width=width, encoding='rgb8', step=3 * width,
        data=array.array('B', np.ascontiguousarray(rgb).tobytes()))


def compressed_from_rgb(rgb: np.ndarray, stamp_ns: int, frame_id: str) -> CompressedImage:
    """JPEG image message of an RGB image of shape (H, W, 3), uint8."""
    _, data = cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return CompressedImage(
        header=Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id), format='rgb8; jpeg',
        data=array.array('B', data.tobytes()))
