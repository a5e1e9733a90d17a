# SPDX-License-Identifier: Apache-2.0
"""The scripted expert as a policy: looks once, plans, then reads its plan out by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.simulation.assets import camera_mount, load_model
from cosmos_policy_ros.simulation.cube_finder import CUBE_HALF_M, CubeFinder
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.simulation.tasks import make_task
from cosmos_policy_ros.simulation.transfer_cube import CUBE, TransferCube
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S, CHUNK_SIZE
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import RobotSpec

_PERIOD_NS = round(CHUNK_PERIOD_S * 1e9)
_STANDING_RAD, _AWAY_RAD = 0.03, 0.15
_CAMERA = 'cam_high'


class ScriptedExpertPolicy:
    """Does a task of the simulated robot; needs neither weights nor a GPU.

    The plan starts at the stamp of the first observation after `reset`, from the robot's start
    pose. Where the cube is comes from that observation's `cam_high` image alone, unless somebody
    who knows where the objects are is handed in. Not thread-safe.
    """

    name = 'scripted'
    is_trained = True
    chunk_size = CHUNK_SIZE
    can_plan = False

    def __init__(self, robot: RobotSpec, *, task: str = TransferCube.name,
                 object_poses: Callable[[], Mapping[str, np.ndarray]] | None = None) -> None:
        """Prepare the expert.

        Args:
            robot: The robot.
            task: Name of the task; without `object_poses` only that of the unturned cube.
            object_poses: Returns object to its position in [m] and orientation w x y z, each of
                shape (7,), as `SimulatedAloha.object_poses`; None to look at the camera.

        Raises:
            ConfigurationError: If the task is unknown, or objects would have to be seen that
                cannot be.
        """
        if object_poses is None and task != TransferCube.name:
            raise ConfigurationError(
                f'the scripted expert cannot see the objects of the task {task!r}; it sees those '
                f'of {TransferCube.name!r}, and of others must be told where they are')
        self.known_tasks = (make_task(task).text,)
        self.camera_names = (_CAMERA,) if object_poses is None else ()
        self._object_poses = object_poses
        self._expert = Expert(robot, load_model(TransferCube.scene), task)
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
        if self._object_poses is not None:
            return self._expert.plan(self._object_poses())
        if _CAMERA not in observation.images:
            raise ObservationError(f'the scripted expert needs {_CAMERA!r}; the observation has '
                                   f'{", ".join(observation.images) or "no image"}')
        xy_m = self._finder.find(observation.images[_CAMERA])
        return self._expert.plan({CUBE: np.array([*xy_m, CUBE_HALF_M, 1.0, 0.0, 0.0, 0.0])})

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
