# SPDX-License-Identifier: Apache-2.0
"""What ros2_control's joint_trajectory_controller does with trajectories that come over a topic.

Each one replaces the rest of the one before. Between points it interpolates linearly, or with a
cubic where both have velocities; towards the first point it begins at the measured pose. Points
in the past are passed over, after the last point its position is held, and an empty trajectory
holds the pose that is measured then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class GoalPoint:
    """One point of a trajectory message.

    Attributes:
        positions: One per joint of the message.
        velocities: One per joint of the message, or none.
        due_ns: `time_from_start` in [ns].
    """

    positions: Sequence[float]
    velocities: Sequence[float] = ()
    due_ns: int = 0


@dataclass(frozen=True)
class _Knot:
    time_ns: int
    positions: np.ndarray
    velocities: np.ndarray | None


class TrajectoryController:
    """The controller of some joints. Not thread-safe.

    Args:
        joint_names: The joints, in the order of measurements and commands; J of them.
        log: Called with level and text.
    """

    def __init__(self, joint_names: Sequence[str], log: Callable[[str, str], None]) -> None:
        self.joint_names = tuple(joint_names)
        self._log = log
        self._knots: list[_Knot] = []
        self._start: _Knot | None = None
        self._holds_measured = False

    def receive(self, now_ns: int, stamp_ns: int, joint_names: Sequence[str],
                points: Sequence[GoalPoint]) -> bool:
        """Take a message of `joint_trajectory`; return whether it replaces what was played.

        Args:
            now_ns: The present in [ns].
            stamp_ns: Time of the start in [ns]; 0 is now.
            joint_names: The joints of the message, all of them in any order.
            points: The points; none to hold the measured pose.
        """
        start_ns = stamp_ns or now_ns
        problem = self._problem(now_ns, start_ns, joint_names, points)
        if problem:
            self._log('error', f'trajectory refused: {problem}')
            return False
        order = [list(joint_names).index(name) for name in self.joint_names] if points else []
        self._knots = [_Knot(
            start_ns + point.due_ns, np.array(point.positions, dtype=float)[order],
            np.array(point.velocities, dtype=float)[order] if len(point.velocities) else None)
            for point in points]
        self._start = None
        self._holds_measured = not points
        return True

    def command_at(self, now_ns: int, measured: np.ndarray) -> np.ndarray | None:
        """Return the command of an update, shape (J,); None before the first trajectory.

        Args:
            now_ns: The present in [ns].
            measured: Measured positions. Shape (J,).
        """
        if self._start is None:
            self._start = _Knot(now_ns, np.array(measured, dtype=float), np.zeros(len(measured)))
        if not self._knots:
            return self._start.positions if self._holds_measured else None
        passed = [knot for knot in self._knots if knot.time_ns <= now_ns]
        if len(passed) == len(self._knots):
            return self._knots[-1].positions
        return _between(passed[-1] if passed else self._start, self._knots[len(passed)], now_ns)

    def _problem(self, now_ns: int, start_ns: int, joint_names: Sequence[str],
                 points: Sequence[GoalPoint]) -> str:
        if not points:
            return ''
        if sorted(joint_names) != sorted(self.joint_names):
            return f'joints are {list(joint_names)}, expected {list(self.joint_names)}'
        size = len(self.joint_names)
        if any(len(point.positions) != size or len(point.velocities) not in (0, size)
               for point in points):
            return f'a point has not {size} positions and no or as many velocities'
        times_ns = [point.due_ns for point in points]
        if any(later <= sooner for sooner, later in zip(times_ns, times_ns[1:])):
            return 'the times of its points do not increase'
        if start_ns + times_ns[-1] < now_ns:
            return f'it ended {(now_ns - start_ns - times_ns[-1]) / NS_PER_S:.3f} s ago'
        return 'it does not end at rest' if np.any(points[-1].velocities) else ''


def _between(before: _Knot, after: _Knot, now_ns: int) -> np.ndarray:
    duration_s = (after.time_ns - before.time_ns) / NS_PER_S
    if duration_s <= 0:
        return after.positions
    share = (now_ns - before.time_ns) / NS_PER_S / duration_s
    way = after.positions - before.positions
    if before.velocities is None or after.velocities is None:
        return before.positions + share * way
    # The cubic Hermite polynomial.
    start, end = before.velocities * duration_s, after.velocities * duration_s
    return (before.positions + share * start + share**2 * (3 * way - 2 * start - end)
            + share**3 * (start + end - 2 * way))
