# SPDX-License-Identifier: Apache-2.0
"""How far apart in time the images of several cameras are that belong together."""

from __future__ import annotations

from array import array

import numpy as np

SKEW_PERCENTILE = 95


class CameraSkew:
    """Compares stamps once every camera has a new image. Its owner holds the lock."""

    def __init__(self) -> None:
        """Begin without cameras."""
        self._stamps_ns: dict[str, int] = {}
        self._fresh: set[str] = set()
        self._skews_ns = array('q')

    @property
    def newest_s(self) -> float:
        """Skew of the newest images in [s]; 0 before the first."""
        return self._skews_ns[-1] / 1e9 if self._skews_ns else 0.0

    @property
    def usual_s(self) -> float:
        """Skew that 95 of 100 sets of images stay below in [s]; 0 without any."""
        if not self._skews_ns:
            return 0.0
        return float(np.percentile(self._skews_ns, SKEW_PERCENTILE)) / 1e9

    def add(self, camera: str) -> None:
        """Expect images of a camera."""
        self._stamps_ns.setdefault(camera, 0)

    def update(self, camera: str, stamp_ns: int) -> None:
        """Take note of an image of a camera that was added, by its stamp in [ns]."""
        self._stamps_ns[camera] = stamp_ns
        self._fresh.add(camera)
        if len(self._fresh) == len(self._stamps_ns) > 1:
            stamps_ns = self._stamps_ns.values()
            self._skews_ns.append(max(stamps_ns) - min(stamps_ns))
            self._fresh.clear()
