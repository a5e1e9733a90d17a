# SPDX-License-Identifier: Apache-2.0
"""Slow motions from pose to pose, as at the start and the end of an episode."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
import math

import numpy as np

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.chunk_course import mixed
from cosmos_policy_ros.robot.chunk_strategies import smooth_step
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.arrays import locked_array

# Peaks of the minimum-jerk motion of length 1 in time 1 (Flash and Hogan 1985).
PEAK_SPEED = 15 / 8
PEAK_ACCELERATION = 10 / math.sqrt(3)


@dataclass(frozen=True, kw_only=True)
class PoseMotion:
    """Minimum-jerk motions through poses, at rest in each of them.

    Attributes:
        poses: The poses, M of them, at least one. Shape (M, A).
        times_ns: When each is reached in [ns]; M of them, not decreasing.
    """

    poses: np.ndarray
    times_ns: tuple[int, ...]

    @property
    def end_ns(self) -> int:
        """Time in [ns] at which the last pose is reached."""
        return self.times_ns[-1]

    def delayed(self, delay_ns: int) -> PoseMotion:
        """Return the same motion, all of it later by `delay_ns` in [ns]."""
        return replace(self, times_ns=tuple(time_ns + delay_ns for time_ns in self.times_ns))

    def position_at(self, now_ns: int) -> np.ndarray:
        """Return the target, shape (A,); before and after the motion it is the nearest pose."""
        index = bisect_right(self.times_ns, now_ns)
        if index in (0, len(self.times_ns)):
            return self.poses[max(index - 1, 0)].copy()
        start_ns, end_ns = self.times_ns[index - 1:index + 1]
        share = smooth_step((now_ns - start_ns) / (end_ns - start_ns))
        return mixed(*self.poses[index - 1:index + 1], share)


def plan_pose_motion(
    poses: np.ndarray, start_ns: int, limits: SafetyLimits, *, speed_rad_s: float,
) -> PoseMotion:
    """Return the quickest motion through poses within speed and acceleration limits.

    Args:
        poses: The present pose, then those to go to. Shape (M, A).
        start_ns: Time of the start in [ns].
        limits: Limits of speed and acceleration.
        speed_rad_s: Highest speed of an arm joint in [rad/s]; grippers may use theirs.

    Raises:
        RobotError: If the speed is not positive and finite.
    """
    if not 0 < speed_rad_s < math.inf:
        raise RobotError(f'speed to a pose is {speed_rad_s} rad/s; it must be positive and finite')
    slow = limits.slowed(speed_rad_s)
    times_ns = [start_ns]
    for way in np.abs(np.diff(poses, axis=0)):
        duration_s = max(
            PEAK_SPEED * (way / slow.velocity_limit).max(),
            math.sqrt(PEAK_ACCELERATION * (way / slow.acceleration_limit).max()))
        times_ns.append(times_ns[-1] + math.ceil(duration_s * NS_PER_S))
    return PoseMotion(poses=np.array(poses), times_ns=tuple(times_ns))


def require_reachable(pose: np.ndarray, limits: SafetyLimits) -> np.ndarray:
    """Return a pose as a read-only array. Shape (A,).

    Raises:
        RobotError: If it has the wrong length, is not finite or lies outside the limits.
    """
    pose = locked_array(
        'pose', pose, dtype=np.float64, shape=limits.lower.shape, error=RobotError)
    for name, value, lower, upper in zip(limits.joint_names, pose, limits.lower, limits.upper):
        if not lower <= value <= upper:
            raise RobotError(
                f'pose has {name} at {value:.4f}; allowed is {lower:.4f} to {upper:.4f}')
    return pose


def with_grippers_open(pose: np.ndarray, limits: SafetyLimits) -> np.ndarray:
    """Return a pose with open grippers. Shape (A,)."""
    return np.where(limits.is_arm_joint, pose, limits.upper)
