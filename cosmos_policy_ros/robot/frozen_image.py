# SPDX-License-Identifier: Apache-2.0
"""Cameras that keep sending the same picture under new stamps."""

from __future__ import annotations

import zlib

import numpy as np

# Sensor noise changes some of what is looked at from frame to frame, even in a still scene.
_STRIDE_PX = 8
# Prime, so that the bytes lie in all columns and channels.
_STRIDE_BYTES = 61


class FrozenImageWatch:
    """Counts images of one camera that are the same although their stamp advanced."""

    def __init__(self) -> None:
        self._stamp_ns: int | None = None
        self._checksum: int | None = None
        self._num_identical = 0

    @property
    def num_identical(self) -> int:
        """How many consecutive predecessors were identical to the newest image."""
        return self._num_identical

    def update(self, image: np.ndarray, stamp_ns: int) -> int:
        """Return how many consecutive predecessors were identical to this image.

        Args:
            image: Pixels of shape (H, W, 3), or the bytes of a message of shape (N,); uint8.
            stamp_ns: Its stamp in [ns]. The same stamp again is the same image and counts nothing.
        """
        if stamp_ns == self._stamp_ns:
            return self._num_identical
        sample = image[::_STRIDE_BYTES] if image.ndim == 1 else image[::_STRIDE_PX, ::_STRIDE_PX]
        checksum = zlib.crc32(sample.tobytes())
        self._num_identical = self._num_identical + 1 if checksum == self._checksum else 0
        self._stamp_ns, self._checksum = stamp_ns, checksum
        return self._num_identical
