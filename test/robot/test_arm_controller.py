# SPDX-License-Identifier: Apache-2.0
"""Both arms move only along a valid chunk, within limits, and hold on any fault."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

from arm_bench import ARMS, Bench, IS_ARM, LIMITS, moving, MS, SETTINGS, START, started, TICK_MS
from hypothesis import given, settings as hypothesis_settings, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, RobotError
from cosmos_policy_ros.robot.chunk_executor import ChunkRejection
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.robot.run_state import RunState, StopReason

WEIGHTS = {'tick': 24, 'submit': 10, 'start': 6, 'push': 2, 'late tick': 2, 'silent tick': 2,
           'submit late': 2, 'switch': 2, 'go to': 2, 'squeeze': 1, 'stop': 1, 'refuse': 1,
           'back': 1, 'deactivate': 1}
EVENTS = st.lists(
    st.tuples(st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)]),
              st.integers(0, 2**32 - 1)), min_size=20, max_size=100)


def _apply(bench: Bench, event: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if event == 'start' and bench.status.state is not RunState.POSITIONING:
        bench.start()
    elif event == 'stop':
        bench.stop()
    elif event == 'refuse':
        bench.controller.refuse_joints(ARMS[seed % 2], 'failed read')
    elif event == 'push':
        bench.pose = bench.pose + rng.uniform(-0.3, 0.3, 14) * IS_ARM
    elif event == 'deactivate':
        bench.controller.deactivate(bench.now_ms * MS)
    elif event in ('switch', 'squeeze'):
        bench.controller.configure(MotionSettings(
            strategy=list(Strategy)[seed % 4], blend_s=rng.uniform(0.01, 0.5),
            max_acceleration_rad_s2=rng.uniform(1, 50),
            gripper_squeeze=0.1 if event == 'squeeze' else 1.0))
    elif event == 'go to':
        bench.measure()
        bench.controller.go_to(
            LIMITS.clip(START + rng.normal(0, 0.3, 14)), bench.now_ms * MS,
            open_grippers_first=bool(seed % 2))
    elif event.startswith('submit'):
        actions = START + np.cumsum(rng.normal(0, rng.choice([0.01, 0.1, 0.5]), (8, 14)), axis=0)
        bench.submit(actions, bench.now_ms - (200 if event.endswith('late') else 0))
    else:
        bench.tick(tick_ms={'late tick': 90, 'back': -500}.get(event, TICK_MS),
                   is_measured=event != 'silent tick')


@hypothesis_settings(deadline=None)
@given(events=EVENTS)
def test_whatever_happens_no_command_is_too_fast_or_leaves_limits_and_measured_poses(events):
    bench = started()
    lower, upper = LIMITS.lower, LIMITS.upper
    for event, seed in events:
        last, num_commands = bench.status.target, len(bench.commands)
        _apply(bench, event, seed)
        lower = np.where(IS_ARM, np.minimum(lower, bench.pose), lower)
        upper = np.where(IS_ARM, np.maximum(upper, bench.pose), upper)
        if bench.status.state is RunState.INACTIVE:
            assert all(command is None for command in bench.commands[num_commands:])
            continue
        target = bench.status.target
        assert (lower <= target).all() and (target <= upper).all()
        if len(bench.commands) > num_commands:
            step = LIMITS.velocity_limit * 1.5 * TICK_MS / 1000
            assert (np.abs(target - last) <= step + 1e-12).all()
            assert bench.status.state is RunState.MOVING or bench.status.reason not in (
                StopReason.NONE, StopReason.NOT_STARTED)


def test_nothing_is_commanded_before_the_start():
    bench = Bench()
    assert bench.state == (RunState.INACTIVE, StopReason.NOT_STARTED)
    bench.tick(3)
    assert bench.commands == [None] * 3
    assert bench.status.counters.ticks == 0


def test_nothing_is_commanded_for_one_arm_without_the_other():
    bench = Bench()
    bench.measure(ARMS[0])
    with pytest.raises(RobotError, match='cannot start: follower_right joints: missing'):
        bench.controller.start(bench.now_ms * MS)
    bench.tick(2, is_measured=False)
    assert bench.commands == [None] * 2
    assert bench.status.measured is None


def test_start_with_stale_or_implausible_joints_is_refused():
    bench = Bench()
    bench.measure()
    bench.now_ms += 60
    bench.controller.refuse_joints(ARMS[1], 'every joint is at -pi')
    with pytest.raises(RobotError, match='left joints: 0.060 s old .* every joint is at -pi'):
        bench.controller.start(bench.now_ms * MS)
    assert bench.state == (RunState.INACTIVE, StopReason.NOT_STARTED)


def test_started_arms_wait_where_they_are():
    bench = started()
    bench.tick(5)
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_MISSING)
    for command in bench.commands:
        np.testing.assert_array_equal(command, START)


@pytest.mark.parametrize('is_stopped', [False, True])
def test_waiting_and_holding_outside_the_limits_is_no_motion(is_stopped):
    sleep = START.copy()
    sleep[1:3], sleep[4] = (-2.05, 1.7), -2.0
    bench = started(sleep)
    if is_stopped:
        bench.tick()
        bench.stop()
    bench.tick(5)
    np.testing.assert_array_equal(bench.commands, np.tile(sleep, (len(bench.commands), 1)))


def test_arms_outside_the_limits_come_back_slowly_once_a_chunk_asks_for_it():
    sleep = START.copy()
    sleep[1] = -2.05
    bench = started(sleep)
    bench.submit(np.tile(sleep, (50, 1)))
    bench.tick(50)
    shoulder = np.array([sleep[1], *(command[1] for command in bench.commands)])
    assert shoulder[-1] == LIMITS.lower[1]
    steps = np.diff(shoulder)
    assert (steps >= 0).all()
    assert steps.max() == pytest.approx(SETTINGS.soft_start_speed_rad_s * TICK_MS / 1000)


def test_overdriven_gripper_is_held_at_the_nearest_command():
    pose = START.copy()
    pose[[6, 13]] = (1.33, -0.08)
    bench = started(pose)
    bench.tick()
    np.testing.assert_array_equal(bench.commands[0][[6, 13]], [1.0, 0.0])


def test_chunk_is_followed_to_its_end():
    bench = started()
    actions = START + np.outer(np.linspace(0.01, 0.1, 10), IS_ARM)
    assert bench.submit(actions).is_accepted
    bench.tick(20)
    np.testing.assert_allclose(bench.commands[1::2], actions)
    assert bench.status.counters.velocity_clamps == 0


def test_arms_stay_at_the_end_of_a_chunk_that_ran_out_and_resume_with_the_next():
    bench = started()
    bench.move_by(0.05, num_actions=10)
    bench.tick(20)
    bench.pose[0] -= 0.03
    bench.is_blocked = True
    bench.tick(3)
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_MISSING)
    # Back to the measured pose, which lags behind, would be a motion that nobody asked for.
    np.testing.assert_allclose(bench.commands[-1], START + 0.05 * IS_ARM)
    bench.move_by(0.05)
    bench.tick()
    assert bench.state == (RunState.MOVING, StopReason.NONE)


def test_hold_is_captured_once_and_does_not_follow_a_sagging_arm():
    bench = moving()
    bench.stop()
    bench.is_blocked = True
    held = bench.status.measured
    for _ in range(20):
        bench.pose[1] -= 0.01
        bench.stop()
        bench.tick()
    np.testing.assert_allclose(bench.commands[-1], held)


def test_gripper_that_holds_an_object_goes_on_holding_it():
    pose = START.copy()
    pose[[6, 13]] = 0.4
    bench = started(pose)
    bench.submit(np.tile(np.where(IS_ARM, START, 0.1), (25, 1)))
    bench.is_blocked = True
    bench.tick(20)
    commanded = bench.commands[-1][6]
    assert commanded < 0.2
    bench.stop()
    bench.tick(10)
    np.testing.assert_array_equal(bench.commands[-1][[6, 13]], commanded)


def test_first_reason_stays_until_the_next_start():
    bench = moving()
    bench.stop(StopReason.FOREIGN_COMMANDER, 'two publishers')
    bench.stop(StopReason.REQUESTED)
    assert bench.state == (RunState.HOLDING, StopReason.FOREIGN_COMMANDER)
    assert bench.status.detail == 'two publishers'
    assert bench.move_by(0.0).rejection is ChunkRejection.NOT_STARTED
    bench.tick(5)
    assert bench.status.state is RunState.HOLDING
    bench.start()
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_MISSING)


def test_chunk_from_before_a_stop_is_not_resumed_by_the_next_start():
    bench = moving()
    bench.stop()
    bench.start()
    bench.tick()
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_MISSING)


def test_stop_before_the_start_only_tells_why():
    bench = Bench()
    bench.stop(StopReason.DRIVER_MODE, 'arm is in mode pwm')
    assert bench.state == (RunState.INACTIVE, StopReason.DRIVER_MODE)
    bench.tick()
    assert bench.commands == [None]


def test_stale_joints_stop_the_arms_until_an_explicit_start():
    bench = moving()
    measured = bench.status.measured
    bench.tick(3, is_measured=False)
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_STALE)
    assert 'follower_left joints: 0.060 s old (limit 0.050 s)' in bench.status.detail
    bench.tick(10, is_measured=False)
    np.testing.assert_allclose(bench.commands[-1], measured)
    bench.tick(10)
    assert bench.status.state is RunState.HOLDING
    bench.start()
    bench.move_by(0.05)
    bench.tick()
    assert bench.status.state is RunState.MOVING


def test_one_silent_arm_stops_both():
    bench = moving()
    for _ in range(4):
        bench.now_ms += TICK_MS
        bench.measure(ARMS[0])
        bench.controller.command_at(bench.now_ms * MS)
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_STALE)
    assert 'follower_right' in bench.status.detail
    assert 'follower_left' not in bench.status.detail


def test_single_failed_read_is_survived_and_lasting_ones_stop_the_arms():
    bench = moving()
    for is_last in (False, True):
        for _ in range(2 if not is_last else 3):
            bench.controller.refuse_joints(ARMS[0], 'every joint is at -pi')
            bench.tick(is_measured=False)
        if not is_last:
            assert bench.status.state is RunState.MOVING
            bench.tick()
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_IMPLAUSIBLE)
    assert 'every joint is at -pi' in bench.status.detail


def _run_into_an_obstacle(bench: Bench) -> None:
    bench.submit(START + np.outer(np.linspace(0, 1.2, 50), IS_ARM * [0, 1, *[0] * 12]))
    bench.tick(15)
    bench.is_blocked = True
    bench.tick(80)


def test_arms_that_hear_nothing_in_a_dry_run_need_not_follow():
    bench = started(position_margin_rad=0.001, dry_run=True)
    bench.is_blocked = True
    _run_into_an_obstacle(bench)
    assert bench.status.state is not RunState.HOLDING
    np.testing.assert_array_equal(bench.pose, START)


def test_blocked_arm_trips_and_then_holds_where_it_really_is():
    bench = started(position_margin_rad=0.001)
    _run_into_an_obstacle(bench)
    assert bench.state == (RunState.HOLDING, StopReason.FOLLOWING_ERROR)
    assert 'left_shoulder is' in bench.status.detail
    np.testing.assert_allclose(bench.commands[-1], bench.pose)


def test_arm_moved_by_hand_while_holding_does_not_spring_back():
    bench = moving()
    bench.stop()
    bench.tick(2)
    bench.is_blocked = True
    bench.pose = bench.pose - 0.6 * IS_ARM
    bench.tick(60)
    assert bench.state == (RunState.HOLDING, StopReason.REQUESTED)
    np.testing.assert_allclose(bench.commands[-1], bench.pose)


def test_arm_moved_between_ticks_is_held_where_it_is_after_the_next_start():
    bench = moving()
    bench.stop()
    bench.tick(2)
    bench.now_ms += 60_000
    bench.pose = START - 0.4 * IS_ARM
    bench.start()
    bench.tick()
    np.testing.assert_array_equal(bench.commands[-1], START - 0.4 * IS_ARM)


def test_far_first_action_is_approached_slowly_and_then_followed():
    bench = started()
    bench.move_by(-0.5, num_actions=60)
    bench.tick(60)
    course = np.array([START, *bench.commands])[:, IS_ARM]
    speeds_rad_s = np.abs(np.diff(course, axis=0)) / (TICK_MS / 1000)
    assert speeds_rad_s.max() == pytest.approx(SETTINGS.soft_start_speed_rad_s)
    np.testing.assert_allclose(course[-1], START[IS_ARM] - 0.5)
    bench.move_by(-0.3)
    bench.tick(10)
    speeds_rad_s = np.abs(np.diff(bench.commands[-10:], axis=0)) / (TICK_MS / 1000)
    assert speeds_rad_s.max() > 2 * SETTINGS.soft_start_speed_rad_s


def test_near_first_action_needs_no_slow_start():
    bench = started()
    bench.move_by(0.09)
    bench.tick(3)
    assert np.abs(np.diff(bench.commands, axis=0)).max() > 0.5 * TICK_MS / 1000


def test_first_action_beyond_reach_stops_the_arms():
    bench = started()
    bench.submit(np.tile(START + 1.01 * (np.arange(14) == 0), (10, 1)))
    bench.tick()
    assert bench.state == (RunState.HOLDING, StopReason.START_GAP)
    assert 'left_waist is 1.010 rad away' in bench.status.detail
    np.testing.assert_array_equal(bench.commands[-1], START)


def test_chunk_of_huge_numbers_moves_nothing():
    bench = started()
    bench.submit(np.full((10, 14), 1.7e308))
    bench.tick(5)
    assert bench.state == (RunState.HOLDING, StopReason.START_GAP)
    np.testing.assert_array_equal(bench.commands[-1], START)


def test_targets_beyond_the_limits_are_clamped_and_counted():
    bench = moving()
    far = START.copy()
    far[0] = 99.0
    bench.submit(np.tile(far, (25, 1)))
    bench.tick(12)
    counters = bench.status.counters
    assert counters.position_clamps >= 10
    assert counters.velocity_clamps >= 10
    assert counters.acceleration_clamps >= 4
    steps = np.diff([command[0] for command in bench.commands[-12:]])
    assert steps[-3:] == pytest.approx(LIMITS.velocity_limit[0] * TICK_MS / 1000)


def test_observation_from_before_the_start_is_refused():
    bench = started()
    receipt = bench.submit(np.tile(START, (50, 1)), stamp_ms=bench.now_ms - 1)
    assert receipt.rejection is ChunkRejection.BEFORE_START
    assert '0.001 s older than the start' in receipt.detail
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_REJECTED)
    assert bench.status.detail == receipt.detail


def test_rejected_chunk_leaves_the_motion_alone():
    bench = moving()
    bench.tick()
    receipt = bench.submit(np.tile(START, (50, 1)), stamp_ms=bench.now_ms - 50)
    assert receipt.rejection in (ChunkRejection.BEFORE_START, ChunkRejection.OLDER_OBSERVATION)
    bench.tick()
    assert bench.state == (RunState.MOVING, StopReason.NONE)
    assert bench.status.counters.chunks_rejected == 1


def test_late_actions_and_chunks_are_counted():
    bench = moving()
    bench.tick(5)
    bench.submit(np.tile(START, (10, 1)), stamp_ms=bench.now_ms - 100)
    counters = bench.status.counters
    assert (counters.chunks_accepted, counters.chunks_rejected, counters.late_actions) == (2, 0, 2)


def test_late_tick_is_counted_and_may_not_move_farther_than_a_period_and_a_half():
    bench = moving()
    bench.submit(START - 0.6 * IS_ARM[None] * np.ones((50, 1)))
    bench.tick(10)
    bench.tick(tick_ms=30)
    assert bench.status.counters.late_ticks == 0
    last = bench.commands[-1]
    bench.tick(tick_ms=200)
    assert bench.status.counters.late_ticks == 1
    step = np.abs(bench.commands[-1] - last)[IS_ARM]
    np.testing.assert_allclose(step, LIMITS.velocity_limit[IS_ARM] * 1.5 * TICK_MS / 1000)


def test_clock_that_goes_back_stops_the_arms_until_an_explicit_start():
    bench = moving()
    bench.tick(tick_ms=-500)
    assert bench.state == (RunState.HOLDING, StopReason.CLOCK_WENT_BACK)
    assert 'went back by 0.500 s' in bench.status.detail
    bench.tick(5)
    bench.start()
    bench.move_by(0.05)
    bench.tick()
    assert bench.state == (RunState.MOVING, StopReason.NONE)


def test_deactivation_hands_out_one_last_hold_and_falls_silent():
    bench = moving()
    held = bench.pose.copy()
    bench.now_ms += TICK_MS
    bench.measure()
    command = bench.controller.deactivate(bench.now_ms * MS)
    np.testing.assert_allclose(command.positions, held)
    assert bench.state == (RunState.INACTIVE, StopReason.DEACTIVATED)
    assert bench.controller.deactivate(bench.now_ms * MS) is None
    bench.tick()
    assert bench.commands[-1] is None
    assert bench.status.target is None


def test_start_while_started_does_not_interrupt_the_motion():
    bench = moving()
    bench.start()
    bench.tick()
    assert bench.state == (RunState.MOVING, StopReason.NONE)


def test_two_ticks_at_one_time_command_the_same():
    bench = moving()
    bench.tick(tick_ms=0)
    np.testing.assert_array_equal(bench.commands[-1], bench.commands[-2])
    assert bench.state == (RunState.MOVING, StopReason.NONE)


def test_status_tells_poses_age_and_since_when():
    bench = Bench()
    assert (bench.status.since_ns, bench.status.joint_age_s, bench.status.target) == (
        None, None, None)
    bench = moving()
    status = bench.status
    assert (status.since_ns, status.joint_age_s) == (bench.now_ms * MS, 0.0)
    np.testing.assert_array_equal(status.target, bench.commands[-1])
    np.testing.assert_array_equal(status.measured, START)


def test_settings_that_do_not_fit_the_robot_are_refused():
    for changes in ({'velocity_scale': 1.5}, {'position_margin_rad': 2.0}):
        with pytest.raises(ConfigurationError):
            Bench(settings=replace(SETTINGS, **changes))


def test_status_and_chunks_may_come_from_other_threads_while_ticking():
    bench = moving()
    errors = []

    def disturb() -> None:
        try:
            for _ in range(200):
                bench.controller.status(bench.now_ms * MS)
                bench.move_by(0.05)
        except Exception as error:  # noqa: BLE001, any failure in the thread fails the test
            errors.append(error)

    thread = Thread(target=disturb)
    thread.start()
    while thread.is_alive():
        bench.tick()
    thread.join()
    assert errors == []
    assert bench.status.state in (RunState.MOVING, RunState.WAITING)
