# SPDX-License-Identifier: Apache-2.0
"""The parts of each task's motion: where both grippers go, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import math

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.insertion import (
    Insertion, PEG, PEG_HALF_LENGTH_M, PIN_HALF_LENGTH_M, SOCKET)
from cosmos_policy_ros.simulation.kinematics import GripperPose
from cosmos_policy_ros.simulation.transfer_cube import (
    CUBE, HardTransferCube, LiftCube, TransferCube)

OPEN, HOLD = 1.0, 0.2

# Inverse kinematics started here finds the ends of joint legs without passing a straight wrist,
# where the solution would branch: an arm level and rolled, and one that points down.
_ROLLED_RAD = (0.0, -0.5, 0.6, 0.0, -0.1, 1.57)
_BENT_RAD = (0.0, 0.2, 0.6, 0.0, 0.8, 0.0)

_HOVER_M = np.array([0.0, 0.0, 0.08])
_MEETING_M = np.array([0.0, 0.5, 0.25])
_STAND_OFF_M = np.array([0.13, 0.0, 0.0])
# On its way the taking gripper is 8 mm higher than where it comes to rest, for joints lag. Half of
# that lower, the cube is at most 5 of 13 mm off the middle of its open fingers.
_TAKING_M = _MEETING_M - np.array([0.0, 0.0, 0.004])


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Where both grippers are at the end of a part of the motion.

    Attributes:
        duration_s: Shortest time to get there in [s].
        poses: Gripper poses, left and right.
        openings: Gripper openings, left and right, 0 closed to 1 open.
        is_straight: Whether the grippers move on straight lines.
        near_rad: Joints of both arms in [rad] like those at the end of a leg that is not straight.
    """

    duration_s: float
    poses: tuple[GripperPose, GripperPose]
    openings: tuple[float, float]
    is_straight: bool = True
    near_rad: tuple[tuple[float, ...], tuple[float, ...]] = (_ROLLED_RAD, _BENT_RAD)


def _quaternion(*columns: Sequence[float]) -> np.ndarray:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.transpose(columns).astype(np.float64).ravel())
    return quaternion


# Columns: where the fingers point, their travel, and the gripper's upper side.
_RIGHT_DOWN = _quaternion((0, 0, -1), (0, -1, 0), (-1, 0, 0))
_RIGHT_LEVEL = _quaternion((-1, 0, 0), (0, -1, 0), (0, 0, 1))
_LEFT_ROLLED = _quaternion((1, 0, 0), (0, 0, 1), (0, -1, 0))
_LEFT_DOWN = _quaternion((0, 0, -1), (0, 1, 0), (1, 0, 0))


def transfer_legs(
    objects: Mapping[str, np.ndarray], misses_m: Sequence[float] = (),
) -> list[Leg]:
    """The right gripper comes from above, lifts the cube, turns level, hands it over.

    The left gripper, rolled by a quarter turn so that the fingers do not meet, takes the cube
    from the other side.
    """
    pick = _grasp_legs(objects[CUBE])
    lifted = pick[-1]
    waiting, _ = lifted.poses
    taking = replace(waiting, position_m=_TAKING_M)
    giving = GripperPose(position_m=_MEETING_M, quaternion=_RIGHT_LEVEL)
    leaving = replace(giving, position_m=_MEETING_M + _STAND_OFF_M)
    turn = replace(lifted, duration_s=1.5, poses=(waiting, giving), is_straight=False)
    # That the gripper is empty shows when the cube is to be handed over.
    in_vain = [leg for early_m in misses_m for leg in (
        *_grasp_legs(objects[CUBE], early_m), turn, _pause(turn, 0.3))]
    # Slow: joints that lag while they move would take the open fingers off the cube's height.
    meet = replace(turn, duration_s=2.0, poses=(taking, giving), is_straight=True)
    take = replace(meet, duration_s=0.5, openings=(HOLD, HOLD))
    release = replace(take, duration_s=0.5, openings=(HOLD, OPEN))
    leave = replace(release, duration_s=0.8, poses=(taking, leaving))
    return [*in_vain, *pick, turn, _pause(turn, 0.3), meet, _pause(meet, 0.3), take,
            _pause(take, 0.3), release, _pause(release, 0.1), leave, _pause(leave, 0.8)]


def lift_legs(objects: Mapping[str, np.ndarray], misses_m: Sequence[float] = ()) -> list[Leg]:
    """The right gripper comes from above and lifts the cube."""
    legs = [leg for early_m in (*misses_m, 0.0) for leg in _grasp_legs(objects[CUBE], early_m)]
    return [*legs, _pause(legs[-1], 1.2)]


def _grasp_legs(cube: np.ndarray, early_m: float = 0.0) -> list[Leg]:
    """Come from above, close at the cube, or so much above it that it stays where it is, lift."""
    waiting = GripperPose(position_m=_TAKING_M - _STAND_OFF_M, quaternion=_LEFT_ROLLED)
    above = GripperPose(
        position_m=cube[:3] + _HOVER_M, quaternion=_turned(_RIGHT_DOWN, _quarter_yaw(cube[3:])))
    share = 1 - early_m / _HOVER_M[2]
    below = replace(above, position_m=above.position_m - share * _HOVER_M)
    approach = Leg(duration_s=1.5, poses=(waiting, above), openings=(OPEN, OPEN),
                   is_straight=False)
    descend = Leg(duration_s=0.9 * share, poses=(waiting, below), openings=(OPEN, OPEN))
    grasp = replace(descend, duration_s=0.5, openings=(OPEN, HOLD))
    lift = replace(grasp, duration_s=0.6, poses=(waiting, above))
    return [approach, descend, _pause(descend, 0.1), grasp, _pause(grasp, 0.2), lift]


_GRASP_HEIGHT_M = 0.02
# Both objects are held by their outer ends, so that the grippers keep clear of each other.
_OUTWARDS_M = np.array([0.03, 0.0, 0.0])
_JOINING_M = np.array([0.0, 0.5, 0.2])
_APART_M = np.array([0.05, 0.0, 0.0])
# The peg is pushed a little further than the pin, against the yielding joints.
_PRESS_M = np.array([0.01, 0.0, 0.0])


def insertion_legs(
    objects: Mapping[str, np.ndarray], misses_m: Sequence[float] = (),
) -> list[Leg]:
    """Both grippers come from above, lift peg and socket, line them up and push them together.

    Raises:
        ConfigurationError: If a grasp is to miss.
    """
    if misses_m:
        raise ConfigurationError(
            f'the expert never misses in the task {Insertion.name!r}; asked for a grasp '
            f'{misses_m[0]:g} m above its object')
    grasps = (_grasp(objects[SOCKET], -_OUTWARDS_M), _grasp(objects[PEG], _OUTWARDS_M))
    downs = (_LEFT_DOWN, _RIGHT_DOWN)
    at = tuple(GripperPose(position_m=grasp, quaternion=down)
               for grasp, down in zip(grasps, downs))
    above = tuple(replace(pose, position_m=pose.position_m + _HOVER_M) for pose in at)
    # Where each gripper is when its object's middle is at the origin.
    held = (grasps[0] - objects[SOCKET][:3], grasps[1] - objects[PEG][:3])
    depth = np.array([PEG_HALF_LENGTH_M + PIN_HALF_LENGTH_M, 0.0, 0.0])

    def both(gap_m: np.ndarray) -> tuple[GripperPose, GripperPose]:
        middles = (_JOINING_M - depth / 2, _JOINING_M + depth / 2 + gap_m)
        return tuple(GripperPose(position_m=middle + offset, quaternion=down)
                     for middle, offset, down in zip(middles, held, downs))

    approach = Leg(duration_s=1.6, poses=above, openings=(OPEN, OPEN), is_straight=False,
                   near_rad=(_BENT_RAD, _BENT_RAD))
    descend = Leg(duration_s=0.9, poses=at, openings=(OPEN, OPEN))
    grasp = replace(descend, duration_s=0.6, openings=(0.1, 0.0))
    lift = replace(grasp, duration_s=0.8, poses=above)
    face = replace(lift, duration_s=1.6, poses=both(_APART_M))
    join = replace(face, duration_s=2.8, poses=both(-_PRESS_M))
    return [approach, descend, _pause(descend, 0.1), grasp, _pause(grasp, 0.3), lift, face,
            _pause(face, 0.4), join, _pause(join, 1.2)]


def _grasp(pose: np.ndarray, along_m: np.ndarray) -> np.ndarray:
    return np.array([*(pose[:3] + along_m)[:2], _GRASP_HEIGHT_M])


def _quarter_yaw(quaternion: np.ndarray) -> float:
    """Angle in [rad] about the vertical, within 45 degrees either way: a cube has four sides."""
    yaw = 2 * math.atan2(quaternion[3], quaternion[0])
    return (yaw + math.pi / 4) % (math.pi / 2) - math.pi / 4


def _turned(quaternion: np.ndarray, yaw_rad: float) -> np.ndarray:
    """Orientation turned about the vertical."""
    turn, turned = np.array([math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2)]), np.empty(4)
    mujoco.mju_mulQuat(turned, turn, quaternion)
    return turned


def _pause(leg: Leg, duration_s: float) -> Leg:
    return replace(leg, duration_s=duration_s, is_straight=True)


LEGS: dict[str, Callable[[Mapping[str, np.ndarray], Sequence[float]], list[Leg]]] = {
    TransferCube.name: transfer_legs, HardTransferCube.name: transfer_legs,
    LiftCube.name: lift_legs, Insertion.name: insertion_legs}
