# SPDX-License-Identifier: Apache-2.0
"""Smooth random offsets of joint targets: an expert disturbed by them shows how it recovers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.spec.robot import RobotSpec

_PERIOD_NS = 20_000_000
_FULL_SPEED_RAD_S = 0.6
_LEAST_SHARE = 0.2


class SmoothDisturbance:
    """Offsets of a joint vector over time, the same for the same seed.

    Each arm joint is offset by Gaussian noise without the fast part; grippers are left alone. The
    offset starts at zero, and is largest where the motion is fast and free: it shrinks to a third
    where the arms stand to grasp, so that recovery is shown and the task is still done.
    """

    def __init__(self, robot: RobotSpec, trajectory: np.ndarray, *, start_ns: int, period_ns: int,
                 sigma_rad: float, correlation_s: float, seed: int | Sequence[int]) -> None:
        """Draw the offsets.

        Args:
            robot: The robot.
            trajectory: Undisturbed joint vectors at equal times, in whose course the offsets
                shrink and grow. Shape (K, A).
            start_ns: Time of the first vector in [ns].
            period_ns: Time between two of them in [ns].
            sigma_rad: Standard deviation of the offset in fast motion in [rad].
            correlation_s: Time over which an offset stays alike in [s].
            seed: Seed of the offsets.
        """
        self._start_ns = start_ns
        steps = len(trajectory) * period_ns // _PERIOD_NS
        noise = _smooth_noise(np.random.default_rng(seed), steps, robot.num_joints,
                              width=correlation_s * 1e9 / _PERIOD_NS)
        share = _free_motion_share(robot, trajectory, period_ns, steps)
        ramp = np.minimum(1.0, np.arange(steps) * _PERIOD_NS / 1e9)
        noise[:, list(robot.gripper_indices)] = 0.0
        self._offsets = sigma_rad * noise * (share * ramp)[:, None]

    def __call__(self, now_ns: int) -> np.ndarray:
        """Offset at a time in [ns]; the last one stays. Shape (A,)."""
        index = (now_ns - self._start_ns) // _PERIOD_NS
        return self._offsets[np.clip(index, 0, len(self._offsets) - 1)]


def _smooth_noise(
    random: np.random.Generator, steps: int, columns: int, *, width: float,
) -> np.ndarray:
    """Gaussian noise of unit variance, blurred over `width` steps. Shape (steps, columns)."""
    reach = int(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width)**2)
    kernel /= np.linalg.norm(kernel)
    white = random.standard_normal((steps + 2 * reach, columns))
    return np.stack([np.convolve(column, kernel, mode='valid') for column in white.T], axis=1)


def _free_motion_share(
    robot: RobotSpec, trajectory: np.ndarray, period_ns: int, steps: int,
) -> np.ndarray:
    """How far the offset may be at each step, 0 to 1, by the speed of the arms. Shape (steps,)."""
    is_arm = ~np.isin(np.arange(robot.num_joints), robot.gripper_indices)
    speed = np.abs(np.gradient(trajectory[:, is_arm], axis=0)).max(axis=1) / (period_ns / 1e9)
    share = _LEAST_SHARE + (1 - _LEAST_SHARE) * np.minimum(1.0, speed / _FULL_SPEED_RAD_S)
    return np.interp(np.arange(steps) * _PERIOD_NS, np.arange(len(share)) * period_ns, share)
