# SPDX-License-Identifier: Apache-2.0
"""Camera images as the planes that video encoders take, without a detour over RGB.

The planes are BT.601 of limited range with halved colours: I420, shape (3 H / 2, W).
"""

from __future__ import annotations

import av
import cv2
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.step_image import StepImage

# What a JPEG with halved colours decodes to: the same planes, but of full range.
_FULL_RANGE = 'yuvj420p'
# Scale and offset from full to limited range.
_LUMA, _CHROMA = (219 / 255, 16), (224 / 255, 128 * (1 - 224 / 255))


class YuvConverter:
    """Turns the images of one camera into planes."""

    def __init__(self) -> None:
        """Begin without an image."""
        self._decoder = av.CodecContext.create('mjpeg', 'r')
        # Threads that work on several pictures would hold each back until the next ones come.
        self._decoder.thread_type = 'SLICE'

    def planes(self, image: StepImage) -> np.ndarray:
        """Return the planes of an image, shape (3 H / 2, W), uint8.

        Raises:
            RecordingError: If the image cannot be decoded, or H or W is odd.
        """
        planes = None if image.recorded_jpeg is None else self._decoded(image.recorded_jpeg)
        return _converted(image.pixels) if planes is None else planes

    def _decoded(self, jpeg: bytes) -> np.ndarray | None:
        """Return the planes of a JPEG; None if it is of another kind, or damaged."""
        try:
            [frame] = self._decoder.decode(av.Packet(jpeg))
        except (av.FFmpegError, ValueError):
            return None
        if frame.format.name != _FULL_RANGE or frame.height % 2 or frame.width % 2:
            return None
        planes = np.empty((frame.height * 3 // 2, frame.width), np.uint8)
        parts = np.split(planes.reshape(-1), [
            frame.height * frame.width, frame.height * frame.width * 5 // 4])
        for plane, part, (scale, offset) in zip(frame.planes, parts, (_LUMA, _CHROMA, _CHROMA)):
            cv2.convertScaleAbs(_pixels(plane), part.reshape(plane.height, plane.width), scale,
                                offset)
        return planes


def _pixels(plane: av.VideoPlane) -> np.ndarray:
    """A plane of a decoded picture without what pads its lines."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:plane.height, :plane.width]


def _converted(pixels: np.ndarray) -> np.ndarray:
    height, width, _ = pixels.shape
    if height % 2 or width % 2:
        raise RecordingError(f'image has {width} x {height} pixels; video needs even sizes')
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420)
