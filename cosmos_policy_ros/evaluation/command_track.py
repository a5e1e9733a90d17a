# SPDX-License-Identifier: Apache-2.0
"""What was sent on one command topic, and whether it kept the limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.robot import RobotSpec

# Commands are float32 on the wire.
_ROUNDING = 1e-5
# The executor moves for at most this many periods in one tick.
_LONGEST_PERIODS = 1.5
# Only between ticks as even as this do times of publication tell how long each of them moved, and
# so what changes of speed it may make.
_STEADY_S = 0.002


@dataclass(frozen=True, kw_only=True)
class TrackLimits:
    """Limits of the J values of one command topic, in its own units.

    Attributes:
        lower: Shape (J,).
        upper: Shape (J,).
        velocity: Per [s]. Shape (J,).
        acceleration: Per [s^2]. Shape (J,).
    """

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


def track_limits(
    robot: RobotSpec, limits: SafetyLimits,
) -> list[tuple[TrackLimits, TrackLimits]]:
    """Return the limits of the arm group and of the gripper's motor of every arm."""
    pairs = []
    for index, arm in enumerate(robot.arms):
        part = robot.arm_slice(index)
        joints = slice(part.start, part.stop - 1)
        ends = sorted((arm.gripper.joint_from_opening(0.0), arm.gripper.joint_from_opening(1.0)))
        stroke, last = ends[1] - ends[0], slice(part.stop - 1, part.stop)
        pairs.append((
            TrackLimits(lower=limits.lower[joints], upper=limits.upper[joints],
                        velocity=limits.velocity_limit[joints],
                        acceleration=limits.acceleration_limit[joints]),
            TrackLimits(lower=np.array(ends[:1]), upper=np.array(ends[1:]),
                        velocity=limits.velocity_limit[last] * stroke,
                        acceleration=limits.acceleration_limit[last] * stroke)))
    return pairs


@dataclass(kw_only=True)
class CommandTrack:
    """The commands of one topic in the order of their publication.

    Attributes:
        times_ns: When each was published in [ns].
        values: What it said, each of shape (J,).
    """

    times_ns: list[int] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def add(self, time_ns: int, values: Sequence[float]) -> None:
        """Append a command."""
        self.times_ns.append(time_ns)
        self.values.append(np.array(values, dtype=np.float64))

    def clear(self) -> None:
        """Forget everything but the last two commands, by which the next one is judged."""
        del self.times_ns[:-2], self.values[:-2]

    def count_between(self, after_ns: int, until_ns: int) -> int:
        """Count the commands later than one time and not later than another, in [ns]."""
        return sum(after_ns < time_ns <= until_ns for time_ns in self.times_ns)

    def travel_between(self, after_ns: int, until_ns: int) -> float:
        """Return how far the values went between two times in [ns]; 0 without commands."""
        inside = [values for time_ns, values in zip(self.times_ns, self.values)
                  if after_ns < time_ns <= until_ns]
        return float(np.ptp(inside, axis=0).max()) if inside else 0.0

    def violations(
        self, limits: TrackLimits, period_s: float, stops: Sequence[tuple[int, int]] = (),
    ) -> list[str]:
        """Say which limits were violated, each with the worst value; empty if none was.

        Args:
            limits: The limits.
            period_s: Control period in [s].
            stops: From when to when in [ns] the arms were stopped, which is done as fast as the
                speed limit allows: accelerations do not count there.
        """
        if len(self.values) < 3:
            return []
        values = np.array(self.values)
        excess = {'position': np.maximum(limits.lower - values, values - limits.upper),
                  'step': np.abs(np.diff(values, axis=0))
                  - limits.velocity * _LONGEST_PERIODS * period_s,
                  'change of step': self._change_excess(values, limits, period_s, stops)}
        return [f'{name} beyond its limit by {worst.max():.5f}' for name, worst in excess.items()
                if worst.size and worst.max() > _ROUNDING]

    def _change_excess(
        self, values: np.ndarray, limits: TrackLimits, period_s: float,
        stops: Sequence[tuple[int, int]],
    ) -> np.ndarray:
        times_ns = np.array(self.times_ns)
        is_steady = np.abs(np.diff(times_ns) / 1e9 - period_s) <= _STEADY_S
        counts = is_steady[1:] & is_steady[:-1] & np.r_[True, is_steady[:-2]]
        for start_ns, end_ns in stops:
            counts &= ~((times_ns[2:] >= start_ns) & (times_ns[:-2] <= end_ns))
        steps = np.diff(values, axis=0)
        uneven = np.maximum(np.abs(steps[1:]), np.abs(steps[:-1])) * 2 * _STEADY_S / period_s
        return (np.abs(np.diff(steps, axis=0)) - uneven
                - limits.acceleration * (period_s + _STEADY_S)**2)[counts]
