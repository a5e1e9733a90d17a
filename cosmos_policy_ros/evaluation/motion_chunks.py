# SPDX-License-Identifier: Apache-2.0
"""Where the chunks of a motion trial come from: an expert that is never quite of one mind, or a
model."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cosmos_policy_ros.evaluation.virtual_cameras import VirtualCameras
from cosmos_policy_ros.evaluation.virtual_robot import VirtualRobot
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.robot.chunk_strategies import smooth_step
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S, CHUNK_SIZE
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.robot import RobotSpec

DISAGREEMENT_RAD = 0.01
# Steps over which a chunk that begins with given actions comes back to its own mind.
RETURN_STEPS = 10


class ChunkSource(Protocol):
    """Answers the queries of a trial."""

    def begin(self, robot: VirtualRobot, seed: int) -> float | None:
        """Begin a trial; return how long the whole motion takes in [s], None if it never ends."""

    def positions(
        self, robot: VirtualRobot, moved_s: float, committed: np.ndarray | None,
    ) -> np.ndarray:
        """Return a chunk.

        Args:
            robot: What the robot is like now.
            moved_s: For how long the arms have moved along chunks so far in [s].
            committed: Actions that the chunk must begin with; None for none. Shape (n, A).

        Returns:
            Shape (K, A).
        """


class DisagreeingExpert:
    """The scripted expert, plus what a sampled chunk differs from the one before.

    The expert goes on where the arms are in its plan, so that pauses lose nothing. Alone it would
    have no seams at all. To every chunk a course of its own is added, the same for the same seed:
    for each arm joint an offset and a drift over the chunk, both normal with a standard deviation
    of `disagreement_rad`. A chunk that must begin with given actions comes back from them within
    `RETURN_STEPS`, as that of a model does which learned to continue them.

    Args:
        robot: The robot.
        disagreement_rad: How much the chunks differ in [rad].
    """

    def __init__(self, robot: RobotSpec, disagreement_rad: float = DISAGREEMENT_RAD) -> None:
        self._robot = robot
        self._disagreement_rad = disagreement_rad
        self._is_arm_joint = ~np.isin(np.arange(robot.num_joints), robot.gripper_indices)

    def begin(self, robot: VirtualRobot, seed: int) -> float:
        """Plan how to transfer the cube from where it is."""
        expert = Expert(self._robot, robot.simulation.model, TransferCube.name)
        self._plan = expert.plan(robot.simulation.object_poses())
        self._random = np.random.default_rng(seed)
        return (len(self._plan) - 1) * CHUNK_PERIOD_S

    def positions(
        self, robot: VirtualRobot, moved_s: float, committed: np.ndarray | None,
    ) -> np.ndarray:
        """Return the part of the plan that follows, as this chunk sees it. Shape (K, A)."""
        del robot
        steps = moved_s / CHUNK_PERIOD_S + 1 + np.arange(CHUNK_SIZE)
        known = np.arange(len(self._plan))
        own = np.stack([np.interp(steps, known, column) for column in self._plan.T], axis=1)
        own += self._deviation()
        return own if committed is None else continued(committed, own)

    def _deviation(self) -> np.ndarray:
        offset, drift = self._random.normal(
            0.0, self._disagreement_rad, (2, len(self._is_arm_joint))) * self._is_arm_joint
        return offset + drift * np.linspace(0.0, 1.0, CHUNK_SIZE)[:, None]


class ModelChunks:
    """A policy that sees what the robot's cameras show.

    Args:
        policy: The policy.
        task: Text of the task.
    """

    def __init__(self, policy: Policy, task: str) -> None:
        self._policy, self._task = policy, task
        self._cameras: VirtualCameras | None = None

    def begin(self, robot: VirtualRobot, seed: int) -> None:
        """Open the robot's cameras; every query gets a seed of its own."""
        self._policy.reset()
        if self._cameras is not None:
            self._cameras.close()
        self._cameras = VirtualCameras(robot.robot, robot.simulation, self._policy.camera_names)
        self._cameras.reset(seed)
        self._next_seed = 1000 * seed

    def positions(
        self, robot: VirtualRobot, moved_s: float, committed: np.ndarray | None,
    ) -> np.ndarray:
        """Return the chunk that the policy answers with. Shape (K, A)."""
        del moved_s
        snapshot = robot.snapshot()
        observation = Observation(
            images={camera: self._cameras.render(snapshot, camera)
                    for camera in self._cameras.names},
            stamp_ns=robot.now_ns, task=self._task,
            proprio=np.concatenate([robot.samples[arm.name].positions
                                    for arm in robot.robot.arms]))
        self._next_seed += 1
        options = {} if committed is None else {'committed_actions': committed}
        return self._policy.predict(observation, self._next_seed, **options).chunk.positions


def continued(committed: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return a chunk (K, A) that begins with given actions (n, A) and comes back to its own."""
    count = len(committed)
    gap = committed[-1] - own[count - 1]
    steps = np.arange(1, len(own) - count + 1)
    weights = np.array([1 - smooth_step(step / RETURN_STEPS) for step in steps])
    return np.vstack([committed, own[count:] + weights[:, None] * gap])
