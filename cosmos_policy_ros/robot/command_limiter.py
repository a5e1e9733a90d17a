# SPDX-License-Identifier: Apache-2.0
"""The command given last, and what may follow it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosmos_policy_ros.robot.acceleration_limit import (
    braking_course, CommandedMotion, limit_motion, resting_positions)
from cosmos_policy_ros.robot.safety import limit_target, LimitedTarget, SafetyLimits

# Arms that arrived may still have a thousandth of a radian per second.
RESTING_SPEED = 0.01


class CommandLimiter:
    """Limits each command by those before it. Its owner holds the lock."""

    def __init__(self, period_s: float) -> None:
        """Create a limiter without a command; commands come every `period_s` in [s]."""
        self._period_s = period_s
        self._motion: CommandedMotion | None = None

    @property
    def positions(self) -> np.ndarray | None:
        """The last command, shape (A,); None without one."""
        return None if self._motion is None else self._motion.positions

    @property
    def is_resting(self) -> bool:
        """Whether the commands stand still."""
        return self._motion is None or bool(
            (np.abs(self._motion.velocities) < RESTING_SPEED).all())

    def forget(self) -> None:
        """Begin anew without a command."""
        self._motion = None

    def rest_at(self, positions: np.ndarray) -> None:
        """Take it that the arms stand still at `positions`, shape (A,)."""
        self._motion = CommandedMotion.at_rest(positions)

    def aim_at(self, target: np.ndarray) -> None:
        """Tell that targets jump to `target`, shape (A,), so that the jump is no speed."""
        if self._motion is not None:
            self._motion = replace(self._motion, target=target)

    def resting_pose(self, limits: SafetyLimits) -> np.ndarray:
        """Return where the arms come to rest if they brake from now on. Shape (A,)."""
        return resting_positions(
            self._motion, limits.widened_to(self._motion.positions), self._period_s)

    def braking_course(self, limits: SafetyLimits) -> tuple[np.ndarray, ...]:
        """Return the commands that would bring the arms to rest from now on. Each (A,)."""
        return braking_course(
            self._motion, limits.widened_to(self._motion.positions), self._period_s)

    def limit(self, target: np.ndarray, dt_s: float, limits: SafetyLimits) -> LimitedTarget:
        """Return the next command; its speed differs gradually from that of the last."""
        return self._take(
            target, dt_s, limits, limit_motion(target, self._motion, dt_s, limits))

    def stop(self, target: np.ndarray, dt_s: float, limits: SafetyLimits) -> LimitedTarget:
        """Return the next command; only the limits of position and speed count."""
        return self._take(
            target, dt_s, limits, limit_target(target, self._motion.positions, dt_s, limits))

    def _take(
        self, target: np.ndarray, dt_s: float, limits: SafetyLimits, limited: LimitedTarget,
    ) -> LimitedTarget:
        self._motion = self._motion.after(limited, limits.clip(target), dt_s)
        return limited


def least_openings(
    command: np.ndarray, measured: np.ndarray, *, squeeze: float,
) -> np.ndarray:
    """Return how far grippers may close: `squeeze` beyond what is measured, but never to reopen.

    Args:
        command: Last command. Shape (A,).
        measured: Joint vector that commands the measured pose. Shape (A,).
        squeeze: Distance in openings.

    Returns:
        Shape (A,); only the entries of grippers mean something.
    """
    return np.minimum(command, measured - squeeze)
