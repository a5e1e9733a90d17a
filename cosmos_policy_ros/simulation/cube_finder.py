# SPDX-License-Identifier: Apache-2.0
"""Where the red cube lies on the table, from one image of a fixed camera of known geometry."""

from __future__ import annotations

import math

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.simulation.assets import CameraMount, look_at_rotation

CUBE_HALF_M = 0.02

# Rendered red is far from every grey of the scene, in light and in shade.
_MIN_RED = 90
_MIN_RED_SHARE = 2.0
# Fewer pixels than a quarter of a cube's silhouette at 224 px would be noise.
_MIN_AREA_SHARE = 2e-4
_ITERATIONS = 4

# Corners of each face of a unit cube, counter-clockwise seen from outside.
_FACES = np.array([
    [(1, -1, -1), (1, 1, -1), (1, 1, 1), (1, -1, 1)],
    [(-1, 1, -1), (-1, -1, -1), (-1, -1, 1), (-1, 1, 1)],
    [(1, 1, -1), (-1, 1, -1), (-1, 1, 1), (1, 1, 1)],
    [(-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1)],
    [(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)],
    [(-1, 1, -1), (1, 1, -1), (1, -1, -1), (-1, -1, -1)],
], dtype=np.float64)


class CubeFinder:
    """Finds the cube by colour, then moves a model cube until its silhouette is there too.

    Args:
        mount: The fixed camera.
        aspect: Width over height of the camera's image. An image of another shape is taken as
            that one, squeezed.
    """

    def __init__(self, mount: CameraMount, *, aspect: float = 640 / 480) -> None:
        self._camera = mount.name
        self._position = np.array(mount.position_m)
        self._rotation = look_at_rotation(mount)
        tangent = math.tan(math.radians(mount.fovy_deg) / 2)
        self._tangents = np.array([tangent * aspect, tangent])

    def find(self, image: np.ndarray) -> np.ndarray:
        """Centre of the cube on the table in [m]. Shape (2,).

        Args:
            image: RGB image of shape (H, W, 3), uint8.

        Raises:
            ObservationError: If no red cube is in sight.
        """
        seen = self._red_centroid(image)
        xy = self._on_plane(seen)
        for _ in range(_ITERATIONS):
            xy = xy + self._on_plane(seen) - self._on_plane(self._silhouette_centroid(xy))
        return xy

    def _red_centroid(self, image: np.ndarray) -> np.ndarray:
        """Centroid of the red pixels, x right and y up, in [-1, 1]. Shape (2,)."""
        red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
        mask = (red > _MIN_RED) & (red > _MIN_RED_SHARE * np.maximum(green, blue))
        if mask.sum() < _MIN_AREA_SHARE * mask.size:
            raise ObservationError(
                f'no red cube in {self._camera!r}: {int(mask.sum())} red pixels, at least '
                f'{math.ceil(_MIN_AREA_SHARE * mask.size)} are needed')
        rows, columns = np.nonzero(mask)
        height, width = mask.shape
        return np.array([2 * (columns.mean() + 0.5) / width - 1,
                         1 - 2 * (rows.mean() + 0.5) / height])

    def _on_plane(self, point: np.ndarray) -> np.ndarray:
        """Where the ray through an image point meets the plane of cube centres. Shape (2,)."""
        ray = self._rotation @ np.append(point * self._tangents, -1.0)
        distance = (CUBE_HALF_M - self._position[2]) / ray[2]
        return (self._position + distance * ray)[:2]

    def _silhouette_centroid(self, xy_m: np.ndarray) -> np.ndarray:
        """Centroid in the image of a cube at `xy_m`, from its faces turned to the camera."""
        corners = _FACES * CUBE_HALF_M + np.append(xy_m, CUBE_HALF_M)
        local = (corners - self._position) @ self._rotation
        points = local[..., :2] / -local[..., 2:] / self._tangents
        after = np.roll(points, -1, axis=1)
        cross = points[..., 0] * after[..., 1] - points[..., 1] * after[..., 0]
        visible = cross.sum(axis=1) > 0
        moments = ((points + after) * cross[..., None]).sum(axis=1)[visible] / 6
        return moments.sum(axis=0) / (cross.sum(axis=1)[visible].sum() / 2)
