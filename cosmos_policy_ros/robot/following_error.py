# SPDX-License-Identifier: Apache-2.0
"""Arms that do not go where they are told: blocked, unpowered or moved by hand."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.robot.safety import largest_gap, SafetyLimits
from cosmos_policy_ros.robot.settings import NS_PER_S


class FollowingErrorWatch:
    """Notices a distance between command and measurement that lasts. Grippers do not count."""

    def __init__(self, limits: SafetyLimits, *, max_error_rad: float, time_s: float) -> None:
        """Create a watch that allows more than `max_error_rad` for `time_s`."""
        self._limits = limits
        self._max_error_rad = max_error_rad
        self._time_s = time_s
        self._since_ns: int | None = None

    def update(self, command: np.ndarray, measured: np.ndarray, now_ns: int) -> str | None:
        """Return what is wrong if the error was too large for too long; None otherwise.

        Args:
            command: Last command. Shape (A,).
            measured: Measured joint vector. Shape (A,).
            now_ns: The present in [ns].
        """
        joint, error_rad = largest_gap(command, measured, self._limits)
        if error_rad <= self._max_error_rad:
            self._since_ns = None
            return None
        if self._since_ns is None:
            self._since_ns = now_ns
        lasted_s = (now_ns - self._since_ns) / NS_PER_S
        if lasted_s < self._time_s:
            return None
        return (f'{joint} is {error_rad:.3f} rad away from its command for {lasted_s:.3f} s '
                f'(limit {self._max_error_rad} rad for {self._time_s} s)')
