# SPDX-License-Identifier: Apache-2.0
"""A policy that sways for ever: motion to rehearse faults with, and to run for hours."""

from __future__ import annotations

import math

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S, CHUNK_SIZE
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import RobotSpec

SWAY_PERIOD_S = 4.0
WAIST_RAD, ARM_RAD, OPENING = 0.3, 0.04, 0.5
_PERIOD_NS = round(CHUNK_PERIOD_S * 1e9)


class SwayPolicy:
    """Sways both arms around the start pose by the clock; at most 0.5 rad/s. Not thread-safe.

    It looks at no image, but wants those of `camera_names`, so that cameras matter as they do to
    a model.
    """

    name = 'sway'
    is_trained = True
    known_tasks = None
    camera_names = ('cam_high',)
    chunk_size = CHUNK_SIZE
    can_plan = False

    def __init__(self, robot: RobotSpec) -> None:
        """Make a policy for a robot."""
        self._centre = robot.start_pose
        self._amplitude = np.full(robot.num_joints, ARM_RAD)
        for index, arm in enumerate(robot.arms):
            first = robot.arm_slice(index).start
            # Mirrored: the arms move apart and together, never into one another's way.
            self._amplitude[first] = WAIST_RAD * (1 if arm.side == 'left' else -1)
        self._is_gripper = np.isin(np.arange(robot.num_joints), robot.gripper_indices)

    def reset(self) -> None:
        """Do nothing: the motion depends on the clock alone."""

    def predict(self, observation: Observation, seed: int, *,
                num_denoising_steps: int | None = None,
                with_future_images: bool = False, planning: object = None) -> Prediction:
        """Return the motion after the observation.

        Args:
            observation: Only its stamp counts.
            seed: Ignored, the motion is deterministic.
            num_denoising_steps: Ignored.
            with_future_images: Ignored, nothing is imagined.
            planning: Must be None, there are no candidates to choose from.

        Raises:
            ConfigurationError: If planning is asked for.
            ObservationError: If a camera is missing or the joint vector has the wrong length.
        """
        if planning is not None:
            raise ConfigurationError(f'the swaying policy cannot plan; asked for {planning}')
        self._check(observation)
        due_ns = observation.stamp_ns + _PERIOD_NS * np.arange(1, self.chunk_size + 1)
        positions = self.positions_at(due_ns)
        return Prediction(
            chunk=ActionChunk(positions=positions, stamp_ns=observation.stamp_ns,
                              period_ns=_PERIOD_NS),
            future_proprio=positions[-1], value=0.5, seed=seed, num_denoising_steps=0,
            mode='scripted')

    def seen_images(self, observation: Observation) -> dict[str, np.ndarray]:
        """Return nothing: nothing is imagined that could be compared."""
        return {}

    def _check(self, observation: Observation) -> None:
        missing = set(self.camera_names) - set(observation.images)
        if missing:
            raise ObservationError(
                f'the swaying policy needs {", ".join(sorted(missing))}; the observation has '
                f'{", ".join(observation.images) or "no image"}')
        if len(observation.proprio) != len(self._centre):
            raise ObservationError(
                f'proprio has {len(observation.proprio)} joints, expected {len(self._centre)}')

    def positions_at(self, times_ns: np.ndarray) -> np.ndarray:
        """Return the joint vectors at times of shape (K,) in [ns]. Shape (K, A)."""
        phase = 2 * math.pi * (np.asarray(times_ns) / (SWAY_PERIOD_S * 1e9) % 1.0)[:, None]
        opening = OPENING * (1 - np.cos(phase)) / 2
        return np.where(
            self._is_gripper, opening, self._centre + self._amplitude * np.sin(phase))
