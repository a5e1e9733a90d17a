# SPDX-License-Identifier: Apache-2.0
"""Commands sent ahead of time to a driver that plays trajectories and takes none meanwhile.

Interbotix's driver refuses a trajectory while it plays another and can neither replace nor cancel
one, so that a stop waits for the end of what was sent. It sends target i at the start of its
interval, and it is free again once the last interval has passed. Windows are therefore short,
their last interval is next to nothing, and the next window waits for the next control tick, which
is slack for a driver that is late. Its intervals are right within a whole second only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import JointCommand

LAST_INTERVAL_NS = 1_000_000
# A write to a gripper occupies the driver for 10 ms and a reading of the motors for some more, by
# which it may be late; a window that comes too early is lost.
SHORTEST_PERIOD_NS = 20_000_000
LONGEST_WINDOW_NS = 100_000_000
EARLY_PERIODS = 0.25


def require_safe_windows(period_ns: int, num_ticks: int) -> None:
    """Refuse windows that the driver could lose, or that a stop would wait for too long.

    Args:
        period_ns: Time between control ticks in [ns].
        num_ticks: Control ticks in a window.

    Raises:
        ConfigurationError: Naming what is wrong and what is allowed.
    """
    if period_ns < SHORTEST_PERIOD_NS:
        raise ConfigurationError(
            f'control_rate_hz is {NS_PER_S / period_ns:g}; with the output joint_trajectory '
            f'allowed is up to {NS_PER_S / SHORTEST_PERIOD_NS:g}: the driver may be busy for '
            'longer than a shorter period, and loses a trajectory that comes then')
    if num_ticks * period_ns > LONGEST_WINDOW_NS:
        raise ConfigurationError(
            f'trajectory_window is {num_ticks}, which at {NS_PER_S / period_ns:g} Hz lasts '
            f'{num_ticks * period_ns / NS_PER_S:g} s; allowed is up to '
            f'{LONGEST_WINDOW_NS / NS_PER_S:g} s, because the driver cannot be stopped before '
            'the end of it')


def point_times_ns(commands: Sequence[JointCommand]) -> list[int]:
    """Return when each point of the message is due, for a driver that sends one point early.

    Args:
        commands: The commands of a window, N of them.

    Returns:
        N + 1 times after the start in [ns]: that of a first point, which is never sent, then one
        per command.
    """
    start_ns = commands[0].stamp_ns
    times_ns = [command.stamp_ns - start_ns for command in commands]
    return [*times_ns, times_ns[-1] + LAST_INTERVAL_NS]


class WindowSchedule:
    """What was sent ahead of time, and when the driver takes more."""

    def __init__(self, period_ns: int, num_ticks: int) -> None:
        """Create a schedule without a window.

        Args:
            period_ns: Time between control ticks in [ns].
            num_ticks: Control ticks in a window.

        Raises:
            ConfigurationError: As `require_safe_windows`.
        """
        require_safe_windows(period_ns, num_ticks)
        self.num_ticks = num_ticks
        self._period_ns = period_ns
        self.reset()

    def reset(self) -> None:
        """Forget what was sent."""
        self._pending: deque[JointCommand] = deque()
        self._span_ns: tuple[int, int] | None = None

    def is_due(self, now_ns: int) -> bool:
        """Whether the driver takes a window at `now_ns`; at once if the clock went back."""
        if self._span_ns is None:
            return True
        first_ns, last_ns = self._span_ns
        return now_ns < first_ns or now_ns >= last_ns + (1 - EARLY_PERIODS) * self._period_ns

    def begin(self, commands: Sequence[JointCommand]) -> None:
        """Note the commands of a window, at least one, that is sent now."""
        self._pending = deque(commands)
        self._span_ns = commands[0].stamp_ns, commands[-1].stamp_ns

    def due_command(self, now_ns: int) -> JointCommand | None:
        """Return the command that the driver came to since the last call; None if to none."""
        due = None
        while self._pending and self._pending[0].stamp_ns <= now_ns + self._period_ns // 2:
            due = self._pending.popleft()
        return due
