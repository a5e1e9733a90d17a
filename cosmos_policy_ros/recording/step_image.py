# SPDX-License-Identifier: Apache-2.0
"""One camera image, kept as it was stored until somebody asks for its pixels."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from cosmos_policy_ros.errors import RecordingError

_JPEG_MAGIC, _PNG_MAGIC = b'\xff\xd8', b'\x89PNG'
_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class StepImage:
    """An RGB image, stored as pixels, JPEG or PNG; decoded and encoded at most once.

    Attributes:
        stamp_ns: Time at which it was taken in [ns].
    """

    def __init__(
        self, stamp_ns: int, *, pixels: np.ndarray | None = None, encoded: bytes | None = None,
        is_swapped: bool = False,
    ) -> None:
        """Hold an image.

        Args:
            stamp_ns: Time at which it was taken in [ns].
            pixels: RGB, shape (H, W, 3), uint8.
            encoded: JPEG or PNG, if there are no pixels.
            is_swapped: Whether red and blue are exchanged in `encoded`, as in files whose writer
                took RGB for BGR.

        Raises:
            RecordingError: If the bytes are neither JPEG nor PNG, or the pixels have another form.
        """
        self.stamp_ns = stamp_ns
        self._encoded = encoded
        self._is_swapped = is_swapped
        if pixels is not None:
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise RecordingError(f'image is {pixels.dtype} of shape {pixels.shape}; expected '
                                     'uint8 of shape (height, width, 3)')
            self.pixels = pixels
        elif encoded is None or not encoded.startswith((_JPEG_MAGIC, _PNG_MAGIC)):
            raise RecordingError(f'image of {len(encoded or b"")} bytes is neither JPEG nor PNG')

    @cached_property
    def pixels(self) -> np.ndarray:
        """Pixels as RGB, shape (H, W, 3), uint8.

        Raises:
            RecordingError: If the image cannot be decoded.
        """
        image = cv2.imdecode(np.frombuffer(self._encoded, np.uint8), _DECODE)
        if image is None:
            raise RecordingError(
                f'compressed image of {len(self._encoded)} bytes cannot be decoded')
        return image if self._is_swapped else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    @property
    def recorded_jpeg(self) -> bytes | None:
        """The JPEG that was recorded; None if there is none, or its red and blue are exchanged."""
        is_jpeg = self._encoded is not None and self._encoded.startswith(_JPEG_MAGIC)
        return self._encoded if is_jpeg and not self._is_swapped else None

    @cached_property
    def jpeg(self) -> bytes:
        """The image as JPEG; as it was recorded where that was JPEG, else of quality 95."""
        return encode_jpeg(self.pixels) if self.recorded_jpeg is None else self.recorded_jpeg


def encode_jpeg(pixels: np.ndarray, *, quality: int = 95, is_swapped: bool = False) -> bytes:
    """Encode an RGB image as JPEG.

    Args:
        pixels: RGB, shape (H, W, 3), uint8.
        quality: 0 to 100.
        is_swapped: Exchange red and blue, for readers that take what OpenCV decodes for RGB.
    """
    stored = pixels if is_swapped else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(
        '.jpg', np.ascontiguousarray(stored), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
