# SPDX-License-Identifier: Apache-2.0
"""Scripted experts: from where the objects are to a joint trajectory that does the task.

A trajectory is made of legs, each with the timing of a minimum-jerk motion. In a straight leg the
grippers move on lines and inverse kinematics makes joints of every step; in the others the joints
go straight from one end to the other. A leg that would turn a joint too fast takes longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import math

import mujoco
import numpy as np

from cosmos_policy_ros.simulation.kinematics import ArmKinematics, GripperPose
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.robot import RobotSpec

MAX_JOINT_SPEED_RAD_S = 1.4
GRIPPER_SPEED_SHARE = 0.8
OPEN, HOLD = 1.0, 0.2

_CUBE_HEIGHT_M = 0.02
_HOVER_M = np.array([0.0, 0.0, 0.08])
_MEETING_M = np.array([0.0, 0.5, 0.25])
_STAND_OFF_M = np.array([0.13, 0.0, 0.0])
# Left arm level and rolled, right arm with a bent wrist: inverse kinematics started here finds the
# ends of joint legs without passing a straight wrist, where the solution would branch.
_SEED_RAD = np.array([0.0, -0.5, 0.6, 0.0, -0.1, 1.57, 0.0, 0.0, 0.2, 0.6, 0.0, 0.8, 0.0, 0.0])


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Where both grippers are at the end of a part of the motion.

    Attributes:
        duration_s: Shortest time to get there in [s].
        poses: Gripper poses, left and right.
        openings: Gripper openings, left and right, 0 closed to 1 open.
        is_straight: Whether the grippers move on straight lines.
    """

    duration_s: float
    poses: tuple[GripperPose, GripperPose]
    openings: tuple[float, float]
    is_straight: bool = True


class TransferCubeExpert:
    """Plans how the right arm picks the cube and the left arm takes it over.

    The right gripper comes from above, lifts the cube, turns level; the left one, rolled by a
    quarter turn so that the fingers do not meet, takes it from the other side.
    """

    def __init__(self, robot: RobotSpec, model: mujoco.MjModel) -> None:
        self._robot = robot
        self._arms = [ArmKinematics(model, arm) for arm in robot.arms]
        self._speed_limit = np.full(robot.num_joints, MAX_JOINT_SPEED_RAD_S)
        grippers = list(robot.gripper_indices)
        self._speed_limit[grippers] = GRIPPER_SPEED_SHARE * robot.velocity_limit[grippers]

    def plan(self, cube_xy_m: np.ndarray) -> np.ndarray:
        """Joint vectors every `CHUNK_PERIOD_S` from the start pose on. Shape (K, A).

        Args:
            cube_xy_m: Position of the unturned cube on the table in [m]. Shape (2,).

        Raises:
            PredictionError: If an arm cannot reach what the plan needs.
        """
        start = self._robot.start_pose
        here = Leg(duration_s=0.0, openings=tuple(start[list(self._robot.gripper_indices)]),
                   poses=tuple(kinematics.pose(start[self._robot.arm_slice(i)][:-1])
                               for i, kinematics in enumerate(self._arms)))
        trajectory = [start]
        for leg in _transfer_legs(here, cube_xy_m):
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
        end = self._joints(there.poses, there.openings, near=_SEED_RAD)
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
    t = np.arange(1, steps + 1) / steps
    return t**3 * (10 - 15 * t + 6 * t**2)


def interpolate_pose(start: GripperPose, end: GripperPose, share: float) -> GripperPose:
    """Pose on the straight line between two, turned about one axis."""
    turn = np.empty(3)
    mujoco.mju_subQuat(turn, end.quaternion, start.quaternion)
    quaternion = start.quaternion.copy()
    mujoco.mju_quatIntegrate(quaternion, turn, share)
    return GripperPose(
        position_m=(1 - share) * start.position_m + share * end.position_m, quaternion=quaternion)


def _quaternion(*columns: Sequence[float]) -> np.ndarray:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.transpose(columns).astype(np.float64).ravel())
    return quaternion


# Columns: where the fingers point, their travel, and the gripper's upper side.
_RIGHT_DOWN = _quaternion((0, 0, -1), (0, -1, 0), (-1, 0, 0))
_RIGHT_LEVEL = _quaternion((-1, 0, 0), (0, -1, 0), (0, 0, 1))
_LEFT_ROLLED = _quaternion((1, 0, 0), (0, 0, 1), (0, -1, 0))


def _transfer_legs(start: Leg, cube_xy_m: np.ndarray) -> list[Leg]:
    cube = np.array([*cube_xy_m, _CUBE_HEIGHT_M])
    waiting = GripperPose(position_m=_MEETING_M - _STAND_OFF_M, quaternion=_LEFT_ROLLED)
    taking = replace(waiting, position_m=_MEETING_M)
    above = GripperPose(position_m=cube + _HOVER_M, quaternion=_RIGHT_DOWN)
    at_cube = replace(above, position_m=cube)
    giving = GripperPose(position_m=_MEETING_M, quaternion=_RIGHT_LEVEL)
    leaving = replace(giving, position_m=_MEETING_M + _STAND_OFF_M)
    approach = Leg(duration_s=1.5, poses=(waiting, above), openings=(OPEN, OPEN),
                   is_straight=False)
    descend = Leg(duration_s=0.9, poses=(waiting, at_cube), openings=(OPEN, OPEN))
    grasp = replace(descend, duration_s=0.5, openings=(OPEN, HOLD))
    lift = replace(grasp, duration_s=0.6, poses=(waiting, above))
    turn = replace(lift, duration_s=1.5, poses=(waiting, giving), is_straight=False)
    meet = replace(lift, duration_s=0.8, poses=(taking, giving))
    take = replace(meet, duration_s=0.5, openings=(HOLD, HOLD))
    release = replace(take, duration_s=0.5, openings=(HOLD, OPEN))
    leave = replace(release, duration_s=0.8, poses=(taking, leaving))
    return [
        replace(start, duration_s=0.6), approach, descend, _pause(descend, 0.1), grasp,
        _pause(grasp, 0.2), lift, turn, _pause(turn, 0.3), meet, _pause(meet, 0.2), take,
        _pause(take, 0.3), release, _pause(release, 0.1), leave, _pause(leave, 0.8)]


def _pause(leg: Leg, duration_s: float) -> Leg:
    return replace(leg, duration_s=duration_s, is_straight=True)
