# SPDX-License-Identifier: Apache-2.0
"""Poses, watchdogs, strategies and gripper care of the state machine behind the controller."""

from __future__ import annotations

from arm_bench import Bench, IS_ARM, LIMITS, moving, MS, START, started, TICK_MS
from hypothesis import given, settings as hypothesis_settings, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.chunk_executor import ChunkRejection
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.robot.run_state import Problem, RunState, StopReason
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

DT_S = TICK_MS / 1000
SLEEP = ALOHA.sleep_pose
WATCHED = [StopReason.MOTOR_ERROR, StopReason.TORQUE_OFF, StopReason.DRIVER_MODE,
           StopReason.DRIVER_DEAD, StopReason.POLICY_DEAD, StopReason.IMAGES_STALE,
           StopReason.EMERGENCY_STOP]


def _go_to(bench: Bench, pose: np.ndarray = SLEEP, **options: object) -> None:
    bench.measure()
    bench.controller.go_to(pose, bench.now_ms * MS, **options)


def _tick_until(bench: Bench, state: RunState, limit: int = 1000) -> None:
    for _ in range(limit):
        if bench.status.state is state:
            return
        bench.tick()
    raise AssertionError(f'still {bench.state} after {limit} ticks')


def _report(bench: Bench, reason: StopReason, text: str = 'what is wrong') -> None:
    bench.controller.report_problem(Problem(reason=reason, text=text), bench.now_ms * MS)


def _changes(bench: Bench) -> np.ndarray:
    """Changes of speed from tick to tick, per [s^2]."""
    course = np.array([START, START, *bench.commands])
    return np.diff(course, n=2, axis=0) / DT_S**2


@hypothesis_settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), strategies=st.lists(
    st.sampled_from(list(Strategy)), min_size=2, max_size=8))
def test_no_strategy_and_no_switch_changes_a_speed_faster_than_allowed(seed, strategies):
    rng = np.random.default_rng(seed)
    bench = started(max_start_gap_rad=5.0, refused_start_gap_rad=6.0)
    for strategy in strategies:
        bench.controller.configure(MotionSettings(strategy=strategy))
        bench.submit(START + np.cumsum(rng.normal(0, 0.05, (12, 14)), axis=0),
                     bench.now_ms - min(rng.integers(0, 300), bench.now_ms - 1000))
        bench.tick(int(rng.integers(1, 40)))
    assert bench.status.state is not RunState.HOLDING
    assert (np.abs(_changes(bench)) <= LIMITS.acceleration_limit + 1e-3).all()


def test_arms_brake_to_rest_where_a_chunk_ends_in_the_middle_of_a_motion():
    bench = started(max_start_gap_rad=1.0, refused_start_gap_rad=2.0)
    ramp = 1.2 * 0.04 * np.arange(1, 13)[:, None] * IS_ARM
    bench.submit(START + np.where(np.arange(14) == 0, ramp, 0.0))
    bench.tick(40)
    waist = np.array([command[0] for command in bench.commands])
    assert bench.status.state is RunState.WAITING
    assert (np.diff(waist) >= -1e-9).all()
    assert ramp[-1, 0] < waist[-1] < ramp[-1, 0] + 1.5**2 / (2 * 15.0)


def test_strategy_is_told_and_changes_from_the_next_chunk_on():
    bench = moving()
    assert bench.status.strategy is Strategy.ASYNC_BLEND
    bench.controller.configure(MotionSettings(strategy='blocking'))
    assert bench.status.strategy is Strategy.BLOCKING
    assert bench.move_by(0.05).rejection is ChunkRejection.STILL_PLAYING
    bench.tick(20)
    bench.move_by(0.02)
    bench.tick(10)
    assert bench.status.state is RunState.MOVING


def test_chunk_that_took_longer_than_it_lasts_is_played_by_arms_that_waited():
    bench = started()
    observed_ms = bench.now_ms
    bench.tick(100)
    actions = START + np.outer(np.linspace(0.01, 0.1, 10), IS_ARM)
    assert bench.submit(actions, observed_ms).is_accepted
    bench.tick(20)
    np.testing.assert_allclose(bench.commands[-1], actions[-1])
    assert bench.status.counters.late_actions == 0
    # Its observation would show arms that moved since.
    receipt = bench.submit(actions, observed_ms + 100)
    assert receipt.rejection is ChunkRejection.ALL_LATE


def test_committed_actions_are_those_of_the_chunk_in_force():
    bench = moving(0.05)
    actions = bench.controller.committed_actions(bench.now_ms * MS, (bench.now_ms + 200) * MS)
    assert actions.shape == (5, 14)
    np.testing.assert_allclose(actions, np.tile(START + 0.05 * IS_ARM, (5, 1)))


def test_arms_go_to_a_pose_slowly_and_hold_it_with_a_reason():
    bench = started()
    bench.tick()
    _go_to(bench)
    assert bench.state == (RunState.POSITIONING, StopReason.REQUESTED)
    _tick_until(bench, RunState.HOLDING)
    assert bench.state == (RunState.HOLDING, StopReason.ARRIVED)
    assert not bench.status.is_fault
    np.testing.assert_allclose(bench.commands[-1], SLEEP, atol=1e-3)
    bench.tick(5)
    np.testing.assert_allclose(bench.commands[-1], SLEEP, atol=1e-3)
    speeds = np.diff(bench.commands, axis=0)[:, IS_ARM] / DT_S
    assert np.abs(speeds).max() == pytest.approx(0.5, rel=0.01)
    assert (np.abs(_changes(bench)) <= LIMITS.acceleration_limit + 1e-3).all()


@pytest.mark.parametrize('state', ['inactive', 'holding', 'waiting', 'moving', 'positioning'])
def test_arms_go_to_a_pose_from_every_state(state):
    bench = Bench() if state == 'inactive' else moving() if state == 'moving' else started()
    if state == 'holding':
        bench.stop(StopReason.FOLLOWING_ERROR)
    if state == 'positioning':
        _go_to(bench, START + 0.1 * IS_ARM)
        bench.tick(10)
    assert bench.status.state.value == state
    _go_to(bench)
    _tick_until(bench, RunState.HOLDING)
    assert bench.status.reason is StopReason.ARRIVED
    commands = [command for command in bench.commands if command is not None]
    assert np.abs(np.diff(commands, axis=0))[:, IS_ARM].max() <= 0.55 * DT_S


def test_arms_that_rest_outside_the_limits_come_to_the_start_pose_without_a_jump():
    sleep = START.copy()
    sleep[1:3], sleep[4] = (-2.05, 1.7), -2.0
    bench = Bench(sleep)
    _go_to(bench, START, speed_rad_s=0.3)
    _tick_until(bench, RunState.HOLDING)
    np.testing.assert_allclose(bench.commands[-1], START, atol=1e-3)
    speeds = np.abs(np.diff([sleep, *bench.commands], axis=0)) / DT_S
    assert speeds.max() <= 0.301


def test_grippers_open_before_the_arms_move_when_asked_to():
    pose = START.copy()
    pose[[6, 13]] = 0.3
    bench = Bench(pose)
    _go_to(bench, open_grippers_first=True)
    _tick_until(bench, RunState.HOLDING)
    course = np.array(bench.commands)
    is_opening = course[:, 6] < 0.999
    assert is_opening.any()
    np.testing.assert_array_equal(course[is_opening][:, IS_ARM], np.tile(
        START[IS_ARM], (is_opening.sum(), 1)))
    assert (course[-1][[6, 13]] == 1.0).all()


def test_chunks_are_refused_on_the_way_to_a_pose_and_after_it_until_the_next_start():
    bench = started()
    _go_to(bench, START + 0.1 * IS_ARM)
    bench.tick(3)
    receipt = bench.move_by(0.0)
    assert receipt.rejection is ChunkRejection.NOT_STARTED
    assert 'the arms are positioning' in receipt.detail
    _tick_until(bench, RunState.HOLDING)
    assert bench.move_by(0.1).rejection is ChunkRejection.NOT_STARTED
    bench.start()
    assert bench.move_by(0.1).is_accepted
    bench.tick(3)
    assert bench.status.state is RunState.MOVING


def test_start_on_the_way_to_a_pose_is_refused_and_changes_nothing():
    bench = started()
    _go_to(bench)
    bench.tick(10)
    with pytest.raises(RobotError, match='on their way to a pose; stop them first'):
        bench.start()
    _tick_until(bench, RunState.HOLDING)
    assert bench.status.reason is StopReason.ARRIVED


@pytest.mark.parametrize('reason', [StopReason.REQUESTED, *WATCHED])
def test_every_stop_interrupts_the_way_to_a_pose(reason):
    bench = started()
    _go_to(bench)
    bench.tick(40)
    pose = bench.status.measured
    _report(bench, reason)
    bench.tick(20)
    assert bench.state == (RunState.HOLDING, reason)
    np.testing.assert_allclose(bench.commands[-1][IS_ARM], pose[IS_ARM])


def test_arm_that_is_blocked_on_the_way_to_a_pose_trips():
    bench = started(max_following_error_rad=0.2)
    _go_to(bench)
    bench.is_blocked = True
    bench.tick(150)
    assert bench.state == (RunState.HOLDING, StopReason.FOLLOWING_ERROR)


def test_stale_joints_stop_the_way_to_a_pose_and_forbid_it():
    bench = started()
    _go_to(bench)
    bench.tick(4, is_measured=False)
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_STALE)
    with pytest.raises(RobotError, match='cannot go to a pose: follower_left joints: 0.080 s old'):
        bench.controller.go_to(SLEEP, bench.now_ms * MS)


@pytest.mark.parametrize('arguments, text', [
    ({'pose': SLEEP + 9}, 'left_waist at 9'), ({'pose': SLEEP, 'speed_rad_s': 0.0}, 'is 0.0')])
def test_pose_that_is_refused_changes_nothing(arguments, text):
    bench = Bench()
    with pytest.raises(RobotError, match=text):
        _go_to(bench, **arguments)
    assert bench.state == (RunState.INACTIVE, StopReason.NOT_STARTED)
    assert bench.status.target is None


@pytest.mark.parametrize('reason', WATCHED)
def test_problem_seen_elsewhere_stops_the_arms_until_an_explicit_start(reason):
    bench = moving()
    _report(bench, reason, 'follower_left: motor elbow reports overload')
    bench.tick(3)
    assert bench.state == (RunState.HOLDING, reason)
    assert bench.status.detail == 'follower_left: motor elbow reports overload'
    assert bench.status.is_fault
    assert bench.move_by(0.05).rejection is ChunkRejection.NOT_STARTED
    bench.start()
    bench.move_by(0.05)
    bench.tick()
    assert bench.status.state is RunState.MOVING


def test_problem_replaces_what_a_person_asked_for_but_no_other_problem():
    bench = moving()
    bench.stop(StopReason.REQUESTED)
    hold = bench.status.target
    _report(bench, StopReason.MOTOR_ERROR)
    assert bench.state == (RunState.HOLDING, StopReason.MOTOR_ERROR)
    _report(bench, StopReason.DRIVER_DEAD)
    assert bench.state == (RunState.HOLDING, StopReason.MOTOR_ERROR)
    bench.tick(3)
    np.testing.assert_allclose(bench.commands[-1], hold, atol=0.05)


def test_problem_before_the_start_only_tells_why():
    bench = Bench()
    _report(bench, StopReason.POLICY_DEAD)
    assert bench.state == (RunState.INACTIVE, StopReason.POLICY_DEAD)
    bench.tick()
    assert bench.commands == [None]


def test_pressed_emergency_stop_stops_and_forbids_every_motion_until_released():
    bench = moving()
    bench.controller.set_emergency_stop(True, bench.now_ms * MS)
    assert bench.state == (RunState.HOLDING, StopReason.EMERGENCY_STOP)
    for attempt in (bench.start, lambda: _go_to(bench)):
        with pytest.raises(RobotError, match='the emergency stop is pressed'):
            attempt()
    bench.tick(3)
    assert bench.state == (RunState.HOLDING, StopReason.EMERGENCY_STOP)
    bench.controller.set_emergency_stop(False, bench.now_ms * MS)
    assert bench.status.state is RunState.HOLDING
    bench.start()
    assert bench.status.state is RunState.WAITING


def _close_on_an_object(squeeze: float) -> Bench:
    pose = START.copy()
    pose[[6, 13]] = 0.6
    bench = started(pose, gripper_squeeze=squeeze)
    bench.is_gripper_blocked = True
    bench.submit(np.tile(START, (50, 1)))
    bench.tick(60)
    return bench


def test_closing_gripper_is_not_commanded_further_than_the_squeeze_beyond_the_object():
    bench = _close_on_an_object(0.15)
    assert bench.commands[-1][6] == pytest.approx(0.45)
    assert bench.status.counters.gripper_clamps > 20
    assert bench.status.counters.position_clamps == 0
    bench.is_gripper_blocked = False
    bench.submit(np.tile(START, (50, 1)))
    bench.tick(40)
    assert bench.commands[-1][6] == 0.0


def test_without_squeeze_care_the_gripper_closes_all_the_way():
    bench = _close_on_an_object(1.0)
    assert bench.commands[-1][6] == 0.0
    assert bench.status.counters.gripper_clamps == 0


def test_squeezing_less_never_opens_a_gripper_that_squeezes_more():
    bench = _close_on_an_object(0.4)
    before = bench.commands[-1][6]
    bench.controller.configure(MotionSettings(gripper_squeeze=0.1))
    bench.submit(np.tile(START, (20, 1)))
    bench.tick(15)
    assert bench.commands[-1][6] == before


def test_opening_is_never_hindered():
    bench = _close_on_an_object(0.15)
    bench.is_gripper_blocked = False
    opened = START + (~IS_ARM) * 0.9
    bench.submit(np.tile(opened, (50, 1)))
    bench.tick(60)
    assert bench.commands[-1][6] == pytest.approx(0.9)


def test_blocking_arms_wait_between_chunks_and_say_so():
    bench = started(strategy='blocking')
    chunk = ActionChunk(positions=np.tile(START, (5, 1)), stamp_ns=bench.now_ms * MS,
                        period_ns=40 * MS)
    bench.tick(50)
    assert bench.controller.submit(chunk, bench.now_ms * MS).is_accepted
    bench.tick(5)
    assert bench.status.state is RunState.MOVING
    bench.tick(10)
    assert bench.state == (RunState.WAITING, StopReason.CHUNK_MISSING)


def test_a_blocking_chunk_is_played_once_and_never_from_the_middle_of_the_last_motion():
    bench = started(strategy='blocking')
    seen_ms = bench.now_ms
    assert bench.move_by(0.05, num_actions=40).is_accepted
    bench.tick(100)
    again = bench.submit(np.tile(START, (5, 1)), stamp_ms=seen_ms)
    assert (again.rejection, again.is_accepted) == (ChunkRejection.OLDER_OBSERVATION, False)
    midway = bench.submit(np.tile(START, (5, 1)), stamp_ms=seen_ms + 700)
    assert midway.rejection is ChunkRejection.OLDER_OBSERVATION
    assert 'before the last motion ended' in midway.detail
    assert bench.submit(np.tile(START, (5, 1)), stamp_ms=seen_ms + 1500).is_accepted


@pytest.mark.parametrize('reason', [
    StopReason.TORQUE_OFF, StopReason.MOTOR_ERROR, StopReason.DRIVER_MODE])
def test_a_limp_arm_that_is_placed_elsewhere_is_not_pulled_back_and_the_other_stays(reason):
    bench = moving()
    _report(bench, reason)
    bench.tick(5)
    held = bench.commands[-1].copy()
    bench.is_blocked = True
    left = ALOHA.arm_slice(0)
    placed = held.copy()
    placed[left] += 0.45 * IS_ARM[left]
    # The other arm sags a little, as arms do that hold against their weight.
    placed[ALOHA.arm_slice(1)] -= 0.02 * IS_ARM[left]
    for share in np.linspace(0.0, 1.0, 25):
        bench.pose = held + share * (placed - held)
        bench.tick(2)
    bench.tick(25)
    np.testing.assert_allclose(bench.commands[-1][left], placed[left], atol=0.11)
    np.testing.assert_array_equal(bench.commands[-1][ALOHA.arm_slice(1)],
                                  held[ALOHA.arm_slice(1)])
    assert bench.state == (RunState.HOLDING, reason)


def test_an_arm_that_somebody_leans_on_while_it_holds_is_not_followed():
    bench = moving()
    bench.stop()
    bench.tick(5)
    held = bench.commands[-1].copy()
    bench.is_blocked = True
    bench.pose = bench.pose + 0.3 * IS_ARM
    bench.tick(50)
    np.testing.assert_array_equal(bench.commands[-1], held)


@pytest.mark.parametrize('stall_ms', [100, 2000, 12000])
def test_a_slow_motion_goes_on_slowly_and_along_its_way_after_a_stall(stall_ms):
    bench = started()
    via = START + 0.3 * IS_ARM
    bench.tick()
    _go_to(bench, SLEEP, via=via)
    bench.tick(20)
    bench.tick(tick_ms=stall_ms)
    _tick_until(bench, RunState.HOLDING)
    speeds = np.abs(np.diff(bench.commands, axis=0))[:, IS_ARM] / DT_S
    assert speeds.max() <= 0.5 * 1.51, 'the late tick may make one and a half steps'
    assert np.abs(np.array(bench.commands) - via)[:, IS_ARM].max(axis=1).min() < 0.02
    np.testing.assert_allclose(bench.commands[-1], SLEEP, atol=1e-3)


def test_a_chunk_is_not_caught_up_with_after_a_long_stall():
    bench = started()
    bench.submit(START + np.linspace(0.0, 0.5, 50)[:, None] * IS_ARM)
    bench.tick(10)
    assert bench.status.state is RunState.MOVING
    last = bench.commands[-1].copy()
    bench.tick(tick_ms=600)
    assert bench.state == (RunState.HOLDING, StopReason.CONTROL_STALLED)
    assert 'no control tick came for 0.600 s' in bench.status.detail
    np.testing.assert_allclose(bench.commands[-1], last)


def test_arms_that_stand_pressed_against_something_press_no_more_once_deactivated():
    bench = started()
    bench.move_by(0.05)
    bench.tick(5)
    bench.is_blocked = True
    bench.submit(np.tile(bench.pose + 0.3 * IS_ARM, (25, 1)))
    bench.tick(24)
    assert np.abs(bench.commands[-1] - bench.pose)[IS_ARM].max() > 0.2
    bench.now_ms += TICK_MS
    bench.measure()
    command = bench.controller.deactivate(bench.now_ms * MS)
    np.testing.assert_allclose(command.positions, bench.pose)


def test_arms_that_have_come_to_rest_after_a_chunk_hold_what_is_measured():
    bench = started()
    bench.submit(START + np.outer(np.linspace(0.01, 0.1, 10), IS_ARM))
    bench.tick(25)
    assert bench.status.state is RunState.WAITING
    sagged = bench.commands[-1] - 0.004 * IS_ARM
    bench.is_blocked, bench.pose = True, sagged
    bench.tick(40)
    np.testing.assert_allclose(bench.commands[-1][:6], sagged[:6], atol=1e-6)
    bench.pose = sagged - 0.004 * IS_ARM
    bench.tick(60)
    np.testing.assert_allclose(bench.commands[-1][:6], sagged[:6], atol=1e-6)
