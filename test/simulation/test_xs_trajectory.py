# SPDX-License-Identifier: Apache-2.0
"""When the points of a trajectory are sent, with the vendor's defect and without."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.simulation.xs_trajectory import (
    DriverCrash, TrajectoryPlayer, TrajectoryPoint)

MS = 1_000_000


def player(times_s, timing='faithful'):
    points = [TrajectoryPoint(positions=[float(i)], sec=int(t),
                              nanosec=round((t - int(t)) * 1e9)) for i, t in enumerate(times_s)]
    return TrajectoryPlayer('single', 'waist', points, start_ns=0, timing=timing)


def send_times_ms(playing, until_ms):
    """Time at which each point went out, by index."""
    times = {}
    for ms in range(until_ms):
        for point in playing.due_points(ms * MS):
            times[int(point.positions[0])] = ms
    return times


@given(steps_ms=st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_point_i_is_sent_at_the_start_of_its_interval_and_point_0_never(steps_ms):
    times_ms = [0]
    for step in steps_ms:
        times_ms.append(times_ms[-1] + step)
    playing = player([t / 1000 for t in times_ms], 'correct')
    expected = {i + 1: t for i, t in enumerate(times_ms[:-1])}
    assert send_times_ms(playing, times_ms[-1] + 5) == expected
    assert playing.is_over(times_ms[-1] * MS)
    assert not playing.is_over(times_ms[-1] * MS - 1)


def test_faithful_and_correct_agree_within_a_second():
    times = [0.1, 0.15, 0.3, 0.9]
    assert send_times_ms(player(times), 1000) == send_times_ms(player(times, 'correct'), 1000)


def test_faithful_timing_stalls_across_a_whole_second():
    playing = player([0.95, 1.0, 1.05])
    assert send_times_ms(playing, 5000) == {1: 0, 2: 3345}


def test_correct_timing_does_not():
    assert send_times_ms(player([0.95, 1.0, 1.05], 'correct'), 5000) == {1: 0, 2: 50}


def test_whole_seconds_end_the_process():
    playing = player([0.5, 1.0, 2.0])
    assert [p.positions for p in playing.due_points(0)] == [[1.0]]
    with pytest.raises(DriverCrash, match='negative period'):
        playing.due_points(5_000 * MS)


def test_equal_times_end_the_process():
    with pytest.raises(DriverCrash):
        player([0.2, 0.2]).due_points(0)


@pytest.mark.parametrize(('mode', 'expected'), [
    ('position', [1.0]), ('linear_position', [1.0]), ('current_based_position', [1.0]),
    ('velocity', [2.0]), ('current', [3.0]), ('pwm', [3.0])])
def test_each_mode_reads_its_own_field(mode, expected):
    point = TrajectoryPoint(positions=[1.0], velocities=[2.0], effort=[3.0])
    assert point.values(mode) == expected
