# SPDX-License-Identifier: Apache-2.0
"""The scripted expert: from where the objects are to a joint trajectory that does the task.

A trajectory is made of legs, each with the timing of a minimum-jerk motion. In a straight leg the
grippers move on lines and inverse kinematics makes joints of every step; in the others the joints
go straight from one end to the other. A leg that would turn a joint too fast takes longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.expert_legs import Leg, LEGS
from cosmos_policy_ros.simulation.kinematics import ArmKinematics, GripperPose
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.minimum_jerk import minimum_jerk
from cosmos_policy_ros.spec.robot import RobotSpec

MAX_JOINT_SPEED_RAD_S = 1.4
GRIPPER_SPEED_SHARE = 0.8
WAIT_S = 0.6


class Expert:
    """Plans how the arms do a task, from where its objects lie."""

    def __init__(self, robot: RobotSpec, model: mujoco.MjModel, task: str) -> None:
        """Prepare the kinematics.

        Args:
            robot: The robot.
            model: A scene with the robot.
            task: Name of the task.

        Raises:
            ConfigurationError: If no expert knows the task.
        """
        if task not in LEGS:
            raise ConfigurationError(
                f'no expert knows the task {task!r}; known: {", ".join(LEGS)}')
        self._robot, self._legs = robot, LEGS[task]
        self._arms = [ArmKinematics(model, arm) for arm in robot.arms]
        self._speed_limit = np.full(robot.num_joints, MAX_JOINT_SPEED_RAD_S)
        grippers = list(robot.gripper_indices)
        self._speed_limit[grippers] = GRIPPER_SPEED_SHARE * robot.velocity_limit[grippers]

    def plan(
        self, objects: Mapping[str, np.ndarray], *, wait_s: float = WAIT_S,
        misses_m: Sequence[float] = (),
    ) -> np.ndarray:
        """Joint vectors every `CHUNK_PERIOD_S` from the start pose on. Shape (K, A).

        Args:
            objects: Object of the task to its position in [m] and orientation w x y z. Each of
                shape (7,).
            wait_s: How long to stand at the start pose first in [s].
            misses_m: How far above the cube the right gripper closes, in vain, before it closes at
                the cube, in [m].

        Raises:
            ConfigurationError: If the task knows no misses.
            PredictionError: If an arm cannot reach what the plan needs.
        """
        start = self._robot.start_pose
        here = Leg(duration_s=0.0, openings=tuple(start[list(self._robot.gripper_indices)]),
                   poses=tuple(kinematics.pose(start[self._robot.arm_slice(i)][:-1])
                               for i, kinematics in enumerate(self._arms)))
        trajectory = [start]
        waiting = [replace(here, duration_s=wait_s)] if wait_s else []
        for leg in (*waiting, *self._legs(objects, misses_m)):
            trajectory.extend(self._move(trajectory[-1], here, leg))
            here = leg
        return np.array(trajectory)

    def _move(self, joints: np.ndarray, here: Leg, there: Leg) -> list[np.ndarray]:
        sample = self._sample_straight if there.is_straight else self._sample_joints
        steps = math.ceil(there.duration_s / CHUNK_PERIOD_S)
        moved = sample(joints, here, there, steps)
        speeds = np.abs(np.diff([joints, *moved], axis=0)) / CHUNK_PERIOD_S
        excess = (speeds / self._speed_limit).max()
        return moved if excess <= 1 else sample(joints, here, there, math.ceil(steps * excess))

    def _sample_straight(
        self, joints: np.ndarray, here: Leg, there: Leg, steps: int,
    ) -> list[np.ndarray]:
        moved = []
        for share in _minimum_jerk_shares(steps):
            poses = [interpolate_pose(a, b, share) for a, b in zip(here.poses, there.poses)]
            openings = np.add((1 - share) * np.array(here.openings),
                              share * np.array(there.openings))
            joints = self._joints(poses, openings, joints)
            moved.append(joints)
        return moved

    def _sample_joints(
        self, joints: np.ndarray, here: Leg, there: Leg, steps: int,
    ) -> list[np.ndarray]:
        near = np.array([x for arm in there.near_rad for x in (*arm, 0.0)])
        end = self._joints(there.poses, there.openings, near=near)
        return [(1 - share) * joints + share * end for share in _minimum_jerk_shares(steps)]

    def _joints(self, poses: Sequence[GripperPose], openings: Sequence[float],
                near: np.ndarray) -> np.ndarray:
        joints = near.copy()
        for index, kinematics in enumerate(self._arms):
            part = joints[self._robot.arm_slice(index)]
            part[:-1] = kinematics.joints(poses[index], part[:-1])
            part[-1] = openings[index]
        return joints


def _minimum_jerk_shares(steps: int) -> np.ndarray:
    """Shares of the way done after each of equal steps of time, at rest at both ends."""
    return minimum_jerk(np.arange(1, steps + 1) / steps)


def interpolate_pose(start: GripperPose, end: GripperPose, share: float) -> GripperPose:
    """Pose on the straight line between two, turned about one axis."""
    turn = np.empty(3)
    mujoco.mju_subQuat(turn, end.quaternion, start.quaternion)
    quaternion = start.quaternion.copy()
    mujoco.mju_quatIntegrate(quaternion, turn, share)
    return GripperPose(
        position_m=(1 - share) * start.position_m + share * end.position_m, quaternion=quaternion)
