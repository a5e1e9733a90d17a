# SPDX-License-Identifier: Apache-2.0
"""Windows of commands for a driver that takes none meanwhile and counts seconds wrong."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.robot.trajectory_window import (
    LAST_INTERVAL_NS, point_times_ns, require_safe_windows, WindowSchedule)
from cosmos_policy_ros.spec.action import JointCommand

MS = 1_000_000
PERIOD_NS = 20 * MS


def commands(*times_ms):
    """Return commands at times that tell their number."""
    return [JointCommand(positions=np.array([float(index)]), stamp_ns=time_ms * MS)
            for index, time_ms in enumerate(times_ms)]


def sending_times_ns(window):
    """Return when a driver that ignores seconds sends each command, and when it is free."""
    times_ns = [time_ns % 10**9 for time_ns in point_times_ns(window)]
    sent_ns, due_ns = [], 0
    for before, after in zip(times_ns, times_ns[1:]):
        sent_ns.append(due_ns)
        due_ns += (after - before) % 2**32
    return sent_ns, due_ns


@given(start_ms=st.integers(0, 10**10), num_ticks=st.integers(1, 5))
def test_a_driver_that_ignores_the_seconds_sends_every_command_on_time(start_ms, num_ticks):
    window = commands(*(start_ms + 20 * index for index in range(num_ticks)))
    sent_ns, free_ns = sending_times_ns(window)
    assert sent_ns == [20 * MS * index for index in range(num_ticks)]
    assert free_ns == sent_ns[-1] + LAST_INTERVAL_NS


@settings(deadline=None)
@given(num_ticks=st.integers(1, 5), delays_ms=st.lists(st.integers(0, 60), max_size=30))
def test_no_window_reaches_into_the_one_before_however_late_ticks_are(num_ticks, delays_ms):
    schedule = WindowSchedule(PERIOD_NS, num_ticks)
    now_ns = free_ns = num_windows = 0
    for tick, delay_ms in enumerate([*delays_ms, *[0] * 20]):
        now_ns = max(now_ns + MS, tick * PERIOD_NS + delay_ms * MS)
        if schedule.is_due(now_ns):
            assert now_ns >= free_ns
            window = commands(*(now_ns // MS + 20 * index for index in range(num_ticks)))
            schedule.begin(window)
            free_ns = now_ns + sending_times_ns(window)[1]
            num_windows += 1
    assert num_windows >= 15 // num_ticks


def test_a_driver_has_three_quarters_of_a_tick_to_be_late_by():
    schedule = WindowSchedule(PERIOD_NS, 3)
    assert schedule.is_due(0)
    schedule.begin(commands(0, 20, 40))
    assert not schedule.is_due(54 * MS) and schedule.is_due(55 * MS)


def test_a_clock_that_went_back_does_not_silence_the_arms():
    schedule = WindowSchedule(PERIOD_NS, 2)
    schedule.begin(commands(5000, 5020))
    assert schedule.is_due(4999 * MS)


def test_the_grippers_get_the_command_that_the_arms_come_to():
    schedule = WindowSchedule(PERIOD_NS, 3)
    assert schedule.due_command(0) is None
    first, second, third = window = commands(0, 20, 40)
    schedule.begin(window)
    assert schedule.due_command(0) is first
    assert schedule.due_command(5 * MS) is None
    assert schedule.due_command(41 * MS) is third and second is not third
    assert schedule.due_command(100 * MS) is None


def test_nothing_of_an_old_window_is_left_after_a_reset():
    schedule = WindowSchedule(PERIOD_NS, 3)
    schedule.begin(commands(0, 20, 40))
    schedule.reset()
    assert schedule.is_due(0) and schedule.due_command(100 * MS) is None


@pytest.mark.parametrize(('rate_hz', 'num_ticks'), [(50, 1), (50, 5), (25, 2), (10, 1)])
def test_short_windows_of_long_ticks_are_safe(rate_hz, num_ticks):
    require_safe_windows(10**9 // rate_hz, num_ticks)


@pytest.mark.parametrize(('rate_hz', 'num_ticks', 'told'), [
    (51, 1, 'control_rate_hz is 51.* up to 50: the driver may be busy'),
    (200, 1, 'control_rate_hz is 200'),
    (25, 3, r'trajectory_window is 3, which at 25 Hz lasts 0.12 s; allowed is up to 0.1 s'),
    (10, 2, 'cannot be stopped')])
def test_windows_that_cannot_be_made_safe_are_refused_with_the_reason(rate_hz, num_ticks, told):
    with pytest.raises(ConfigurationError, match=told):
        WindowSchedule(round(10**9 / rate_hz), num_ticks)
