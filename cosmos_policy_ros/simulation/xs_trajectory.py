# SPDX-License-Identifier: Apache-2.0
"""How the vendor's driver plays a trajectory message, its timing defect included.

Point 0 is never sent. Point i is sent when the interval from i-1 to i begins, the first one at
once; the driver stays busy until the last interval has passed. `faithful` computes an interval
as the vendor does, from the nanosecond members alone as unsigned 32-bit numbers: 0.95 s to 1.00 s
becomes 3.345 s, and a whole number of seconds ends the process. `correct` counts the seconds too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cosmos_policy_ros.errors import RobotError

TRAJECTORY_TIMINGS = ('faithful', 'correct')


class DriverCrash(RobotError):
    """The vendor's process would have died here."""


@dataclass(frozen=True, kw_only=True)
class TrajectoryPoint:
    """One point of a trajectory message.

    Attributes:
        positions: Targets of position-like modes.
        velocities: Targets of the velocity mode.
        effort: Targets of the current and pwm modes.
        sec: Whole seconds of `time_from_start`.
        nanosec: The rest of `time_from_start` in [ns].
    """

    positions: Sequence[float] = ()
    velocities: Sequence[float] = ()
    effort: Sequence[float] = ()
    sec: int = 0
    nanosec: int = 0

    def values(self, mode: str) -> Sequence[float]:
        """Return the targets that an operating mode reads."""
        if mode == 'velocity':
            return self.velocities
        return self.effort if mode in ('pwm', 'current') else self.positions


class TrajectoryPlayer:
    """The points of one trajectory, handed out when they are due."""

    def __init__(self, cmd_type: str, name: str, points: Sequence[TrajectoryPoint], *,
                 start_ns: int, timing: str) -> None:
        self.cmd_type = cmd_type
        self.name = name
        self._points = tuple(points)
        self._timing = timing
        self._next = 1
        self._due_ns = start_ns

    def due_points(self, now_ns: int) -> list[TrajectoryPoint]:
        """Points to send by now, in order.

        Raises:
            DriverCrash: If the vendor's timer could not be armed.
        """
        due = []
        while self._next < len(self._points) and now_ns >= self._due_ns:
            self._due_ns += self._interval_ns(self._points[self._next - 1],
                                              self._points[self._next])
            due.append(self._points[self._next])
            self._next += 1
        return due

    def is_over(self, now_ns: int) -> bool:
        """Whether the last interval has passed."""
        return self._next >= len(self._points) and now_ns >= self._due_ns

    def _interval_ns(self, before: TrajectoryPoint, after: TrajectoryPoint) -> int:
        if self._timing == 'correct':
            interval = (after.sec - before.sec) * 10**9 + after.nanosec - before.nanosec
        else:
            interval = (after.nanosec - before.nanosec) % 2**32
        # The time already spent in the callback makes an interval of zero negative.
        if interval <= 0:
            raise DriverCrash(
                f'trajectory interval of {interval} ns: the timer refuses a negative period')
        return interval
