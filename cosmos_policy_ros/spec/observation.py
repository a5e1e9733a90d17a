# SPDX-License-Identifier: Apache-2.0
"""What the policy sees: one image per camera, the measured joints, the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.arrays import locked_array


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One synchronised look at the robot.

    Attributes:
        images: Camera name to RGB image. Each of shape (H, W, 3), uint8.
        proprio: Measured joint vector, arms in [rad], grippers 0 closed to 1 open. Shape (A,).
        stamp_ns: Time that the observation stands for (its oldest part), in [ns].
        task: Text of the task.

    Raises:
        ObservationError: If an array has the wrong shape, dtype or is not finite.
    """

    images: Mapping[str, np.ndarray]
    proprio: np.ndarray
    stamp_ns: int
    task: str

    def __post_init__(self) -> None:
        images = {}
        for name, image in self.images.items():
            if np.asarray(image).dtype != np.uint8:
                raise ObservationError(
                    f'image {name!r} has dtype {np.asarray(image).dtype}, expected uint8')
            images[name] = locked_array(
                f'image {name!r}', image, dtype=np.uint8, shape=(None, None, 3),
                error=ObservationError)
        object.__setattr__(self, 'images', MappingProxyType(images))
        object.__setattr__(self, 'proprio', locked_array(
            'proprio', self.proprio, dtype=np.float64, shape=(None,), error=ObservationError))
