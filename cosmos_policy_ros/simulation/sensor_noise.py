# SPDX-License-Identifier: Apache-2.0
"""What a camera sensor adds to a rendered image, so that no two frames are ever the same."""

from __future__ import annotations

import cv2
import numpy as np

_PATTERN_MARGIN_PX = 64


class SensorNoise:
    """Adds a noise pattern at a random offset: as cheap as one addition per image."""

    def __init__(self, *, width: int, height: int, amplitude: int = 1, seed: int = 0) -> None:
        """Draw the pattern.

        Args:
            width: Image width in [px].
            height: Image height in [px].
            amplitude: Largest grey level added, 0 to 255.
            seed: Seed of the pattern and of the offsets.
        """
        self._seed = seed
        self._random = np.random.default_rng(seed)
        self._pattern = self._random.integers(
            0, amplitude, (height + _PATTERN_MARGIN_PX, width + _PATTERN_MARGIN_PX, 3),
            np.uint8, endpoint=True)
        self._width, self._height = width, height

    def add_to(self, image: np.ndarray, index: int | None = None) -> np.ndarray:
        """Return the image with noise. Shape (H, W, 3), uint8.

        Args:
            image: The image.
            index: Images of the same index get the same noise; None for any.
        """
        random = self._random if index is None else np.random.default_rng([self._seed, index])
        top, left = random.integers(0, _PATTERN_MARGIN_PX, 2)
        window = self._pattern[top:top + self._height, left:left + self._width]
        return cv2.add(image, window)
