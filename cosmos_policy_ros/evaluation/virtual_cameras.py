# SPDX-License-Identifier: Apache-2.0
"""The cameras of a robot in virtual time: what they show depends on nothing but the moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.simulation.renderer import CameraRenderer
from cosmos_policy_ros.simulation.sensor_noise import SensorNoise
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.world import WorldSnapshot
from cosmos_policy_ros.spec.robot import RobotSpec

CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')


class VirtualCameras:
    """Draws images as the simulation's camera server does. Use it from one thread only.

    The noise of an image follows from the seed, the camera and the stamp, so that it is the same
    whichever images were drawn before.
    """

    def __init__(self, robot: RobotSpec, simulation: SimulatedAloha,
                 cameras: Sequence[str] = CAMERAS) -> None:
        """Open the cameras; all have the size of the first."""
        self.names = tuple(cameras)
        spec = robot.camera(self.names[0])
        self._size = {'width': spec.width, 'height': spec.height}
        self._renderer = CameraRenderer(simulation.load_visual_model(), **self._size)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin an episode with a seed of the noise."""
        self._noise = SensorNoise(**self._size, seed=seed)

    def render(self, snapshot: WorldSnapshot, camera: str) -> np.ndarray:
        """Return what a camera shows. Shape (H, W, 3), uint8."""
        index = snapshot.stamp_ns * len(self.names) + self.names.index(camera)
        return self._noise.add_to(self._renderer.render(snapshot, camera), index)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()
