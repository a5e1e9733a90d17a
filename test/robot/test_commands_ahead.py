# SPDX-License-Identifier: Apache-2.0
"""Commands given ahead of their time pass the same limits, and ways to rest end at rest."""

from __future__ import annotations

from arm_bench import Bench, LIMITS, MS, START, started, TICK_MS
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.robot.run_state import RunState, StopReason
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.aloha import ALOHA

DT_S = TICK_MS / 1000
LATE = 1.5


def _random_walk(seed: int, num_actions: int = 12) -> np.ndarray:
    return START + np.cumsum(
        np.random.default_rng(seed).normal(0, 0.05, (num_actions, 14)), axis=0)


def _window(bench: Bench, num_ticks: int) -> tuple[JointCommand, ...]:
    """Take the next window, which the arms then follow."""
    bench.now_ms += TICK_MS
    bench.measure()
    window = bench.controller.commands_at(bench.now_ms * MS, num_ticks)
    bench.now_ms += (num_ticks - 1) * TICK_MS
    if window:
        bench.pose = window[-1].positions
        bench.measure()
    return window


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), num_ticks=st.integers(1, 5))
def test_windows_are_what_single_ticks_would_have_commanded(seed, num_ticks):
    ahead, single = (started(max_start_gap_rad=5.0, refused_start_gap_rad=6.0) for _ in range(2))
    for bench in (ahead, single):
        bench.submit(_random_walk(seed))
    windows = [command for _ in range(6) for command in _window(ahead, num_ticks)]
    single.tick(6 * num_ticks)
    np.testing.assert_allclose(
        [command.positions for command in windows], single.commands, atol=1e-12)
    assert all(later.stamp_ns - sooner.stamp_ns == TICK_MS * MS
               for sooner, later in zip(windows, windows[1:]))
    assert ahead.status.counters.ticks == single.status.counters.ticks


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), delays_ms=st.lists(
    st.integers(0, 60), min_size=8, max_size=8), stop_at=st.integers(0, 7))
def test_late_windows_and_a_stop_keep_position_and_speed(seed, delays_ms, stop_at):
    bench = started(max_start_gap_rad=5.0, refused_start_gap_rad=6.0)
    bench.submit(_random_walk(seed, 40))
    course = [JointCommand(positions=START, stamp_ns=bench.now_ms * MS)]
    for index, delay_ms in enumerate(delays_ms):
        bench.now_ms += delay_ms
        if index == stop_at:
            bench.measure()
            bench.stop()
        course += _window(bench, 3)
    assert bench.status.reason is StopReason.REQUESTED
    positions = np.array([command.positions for command in course])
    elapsed_s = np.diff([command.stamp_ns for command in course]) / 1e9
    steps_s = np.minimum(elapsed_s, LATE * DT_S)[:, np.newaxis]
    assert (np.abs(np.diff(positions, axis=0)) <= LIMITS.velocity_limit * steps_s + 1e-9).all()
    assert (positions >= LIMITS.lower - 1e-9).all() and (positions <= LIMITS.upper + 1e-9).all()


def test_a_stop_counts_from_the_next_window_on():
    bench = started()
    bench.submit(np.tile(START + 0.5 * LIMITS.is_arm_joint, (40, 1)))
    for _ in range(10):
        _window(bench, 2)
    bench.stop()
    held = bench.pose
    for _ in range(5):
        np.testing.assert_allclose(_window(bench, 2)[-1].positions, held, atol=1e-9)


def test_stale_joints_stop_a_window_as_they_stop_a_tick():
    bench = started()
    bench.move_by(0.3, num_actions=40)
    _window(bench, 2)
    bench.now_ms += 100
    first, second = bench.controller.commands_at(bench.now_ms * MS, 2)
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_STALE)
    assert first.stamp_ns < second.stamp_ns


@pytest.mark.parametrize('method', [
    lambda controller: controller.commands_at(10**9, 3),
    lambda controller: controller.commands_to_rest(10**9)])
def test_inactive_arms_are_commanded_nothing_ahead(method):
    assert method(Bench().controller) == ()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), num_ticks=st.integers(1, 20))
def test_the_way_to_rest_brakes_within_the_limits_from_what_was_commanded(seed, num_ticks):
    bench = started(max_start_gap_rad=5.0, refused_start_gap_rad=6.0)
    bench.submit(_random_walk(seed, 40))
    bench.tick(num_ticks)
    bench.now_ms += TICK_MS
    bench.measure()
    course = [START, START, *bench.commands] + [
        command.positions for command in bench.controller.commands_to_rest(bench.now_ms * MS)]
    course += [course[-1], course[-1]]
    changes = np.diff(np.array(course), n=2, axis=0) / DT_S**2
    assert (np.abs(changes[:-2]) <= LIMITS.acceleration_limit + 1e-3).all()
    # In the last step less speed is left than one tick takes away.
    assert (np.abs(changes[-2:]) <= LIMITS.acceleration_limit + 1e-3).all()


def test_the_way_to_rest_only_foretells():
    bench, other = started(), started()
    for each in (bench, other):
        each.move_by(0.3, num_actions=40)
        each.tick(5)
    for _ in range(4):
        other.tick()
        bench.now_ms += TICK_MS
        bench.measure()
        first, *_ = bench.controller.commands_to_rest(bench.now_ms * MS)
        bench.pose = first.positions
        np.testing.assert_array_equal(first.positions, other.commands[-1])


def test_arms_that_hold_are_not_led_beyond_what_they_hold():
    bench = started()
    bench.move_by(0.3, num_actions=40)
    bench.tick(8)
    bench.stop()
    bench.now_ms += TICK_MS
    bench.measure()
    assert len(bench.controller.commands_to_rest(bench.now_ms * MS)) == 1


def test_a_pose_on_the_way_is_passed_unless_the_arms_are_at_the_goal_already():
    bench = started()
    bench.measure()
    bench.controller.go_to(ALOHA.sleep_pose, bench.now_ms * MS, open_grippers_first=True,
                           via=ALOHA.open_start_pose + 0.1 * LIMITS.is_arm_joint)
    nearest = np.inf
    while bench.status.state is RunState.POSITIONING:
        bench.tick()
        nearest = min(nearest, np.abs(bench.pose - ALOHA.open_start_pose - 0.1)[:3].max())
    assert nearest < 1e-3 and bench.status.reason is StopReason.ARRIVED
    bench.controller.go_to(ALOHA.sleep_pose, bench.now_ms * MS, via=ALOHA.start_pose)
    bench.tick(100)
    np.testing.assert_allclose(bench.pose, ALOHA.sleep_pose, atol=1e-3)
