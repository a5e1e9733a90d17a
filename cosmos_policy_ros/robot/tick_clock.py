# SPDX-License-Identifier: Apache-2.0
"""The time between control ticks."""

from __future__ import annotations

from cosmos_policy_ros.robot.settings import NS_PER_S

LATE_TICK_PERIODS = 1.5


class TickClock:
    """Measures for how long a tick may move. Its owner holds the lock.

    Attributes:
        period_s: Time between two ticks in [s].
        period_ns: The same in [ns].
        longest_step_s: Longest time for which one tick may move in [s].
    """

    def __init__(self, rate_hz: float) -> None:
        """Create a clock before its first tick; `rate_hz` is that of the ticks in [Hz]."""
        self.period_s = 1 / rate_hz
        self.period_ns = round(NS_PER_S / rate_hz)
        self.longest_step_s = LATE_TICK_PERIODS * self.period_s
        self.reset()

    def reset(self) -> None:
        """Forget the last tick."""
        self._last_ns: int | None = None

    def tick(self, now_ns: int) -> float:
        """Return the time in [s] since the last tick; one period for the first."""
        last_ns, self._last_ns = self._last_ns, now_ns
        return self.period_s if last_ns is None else (now_ns - last_ns) / NS_PER_S

    def step_s(self, elapsed_s: float) -> float:
        """Return for how long in [s] a tick may move that comes `elapsed_s` after the last."""
        return min(max(elapsed_s, 0.0), self.longest_step_s)
