# SPDX-License-Identifier: Apache-2.0
"""The scripted expert as a policy: looks once, plans, then reads its plan out by the clock."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.simulation.assets import camera_mount, load_model
from cosmos_policy_ros.simulation.cube_finder import CubeFinder
from cosmos_policy_ros.simulation.expert import TransferCubeExpert
from cosmos_policy_ros.simulation.tasks import TransferCube
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S, CHUNK_SIZE
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import RobotSpec

_PERIOD_NS = round(CHUNK_PERIOD_S * 1e9)
_STANDING_RAD, _AWAY_RAD = 0.03, 0.15
_CAMERA = 'cam_high'


class ScriptedExpertPolicy:
    """Transfers the cube of the simulated robot; needs neither weights nor a GPU.

    The plan starts at the stamp of the first observation after `reset`, from the robot's start
    pose; where the cube is comes from that observation's `cam_high` image alone. Not thread-safe.
    """

    name = 'scripted'
    is_trained = True
    known_tasks = (TransferCube.text,)
    camera_names = (_CAMERA,)
    chunk_size = CHUNK_SIZE
    can_plan = False

    def __init__(self, robot: RobotSpec) -> None:
        self._expert = TransferCubeExpert(robot, load_model(TransferCube.scene))
        camera = robot.camera(_CAMERA)
        self._finder = CubeFinder(camera_mount(_CAMERA), aspect=camera.width / camera.height)
        self._is_arm_joint = ~np.isin(np.arange(robot.num_joints), robot.gripper_indices)
        self._plan: np.ndarray | None = None
        self._start_ns = 0

    def reset(self) -> None:
        """Forget the plan; the next observation starts a new one."""
        self._plan = None

    def predict(self, observation: Observation, seed: int, *,
                num_denoising_steps: int | None = None,
                with_future_images: bool = False, planning: object = None) -> Prediction:
        """Return the part of the plan that follows the observation.

        Args:
            observation: Must hold `cam_high`; only the first after a reset is looked at.
            seed: Ignored, the expert is deterministic.
            num_denoising_steps: Ignored, the expert does not denoise.
            with_future_images: Ignored, the expert imagines nothing.
            planning: Must be None, the expert has no candidates to choose from.

        Raises:
            ConfigurationError: If planning is asked for.
            ObservationError: If the task is another one, the image or the cube in it is missing,
                or the stamp lies before the plan.
        """
        if planning is not None:
            raise ConfigurationError(f'the scripted expert cannot plan; asked for {planning}')
        if observation.task not in self.known_tasks:
            raise ObservationError(f'the scripted expert does not know the task '
                                   f'{observation.task!r}; known: {", ".join(self.known_tasks)}')
        if self._plan is None:
            self._plan = self._look_and_plan(observation)
            self._start_ns = observation.stamp_ns
        elapsed_ns = observation.stamp_ns - self._start_ns
        if elapsed_ns < 0:
            raise ObservationError(
                f'observation is {-elapsed_ns} ns older than the plan; reset the policy first')
        if self._is_left_standing(observation.proprio, elapsed_ns / _PERIOD_NS):
            self._start_ns, elapsed_ns = observation.stamp_ns, 0
        positions = self._read_out(elapsed_ns / _PERIOD_NS)
        return Prediction(
            chunk=ActionChunk(positions=positions, stamp_ns=observation.stamp_ns,
                              period_ns=_PERIOD_NS),
            future_proprio=positions[-1],
            value=min(1.0, elapsed_ns / _PERIOD_NS / (len(self._plan) - 1)),
            seed=seed, num_denoising_steps=0, mode='scripted')

    def seen_images(self, observation: Observation) -> dict[str, np.ndarray]:
        """Return nothing: the expert imagines no images to compare with."""
        del observation
        return {}

    def _look_and_plan(self, observation: Observation) -> np.ndarray:
        if _CAMERA not in observation.images:
            raise ObservationError(f'the scripted expert needs {_CAMERA!r}; the observation has '
                                   f'{", ".join(observation.images) or "no image"}')
        return self._expert.plan(self._finder.find(observation.images[_CAMERA]))

    def _is_left_standing(self, proprio: np.ndarray, elapsed_steps: float) -> bool:
        """Whether the plan has gone on while the arms, not started yet, stand at its beginning."""
        now = self._plan[min(round(elapsed_steps), len(self._plan) - 1)]
        is_plan_away = np.abs(now - self._plan[0])[self._is_arm_joint].max() > _AWAY_RAD
        is_at_start = np.abs(proprio - self._plan[0])[self._is_arm_joint].max() < _STANDING_RAD
        return bool(is_plan_away and is_at_start)

    def _read_out(self, elapsed_steps: float) -> np.ndarray:
        """Plan at the chunk's due times, the last pose repeated at the end. Shape (K, A)."""
        steps = elapsed_steps + 1 + np.arange(self.chunk_size)
        known = np.arange(len(self._plan))
        return np.stack([np.interp(steps, known, column) for column in self._plan.T], axis=1)
