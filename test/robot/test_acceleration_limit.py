# SPDX-License-Identifier: Apache-2.0
"""Speeds change gradually in both directions, and the arms still stop in time everywhere."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings as hypothesis_settings, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.robot.acceleration_limit import (
    braking_distance, braking_speed, CommandedMotion, limit_motion, resting_positions, SAME_SPEED)
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.02, velocity_scale=0.5, max_acceleration_rad_s2=15.0)
START = LIMITS.clip(ALOHA.start_pose)
PERIOD_S = 0.02
ROUNDING = 1e-12

ANY_POSE = arrays(np.float64, 14, elements=st.floats(allow_nan=False, allow_infinity=False))
NEAR_POSE = arrays(np.float64, 14, elements=st.floats(-4.0, 4.0))
# Clocks count nanoseconds.
LONGEST_STEP_NS = 30_000_000
DT_S = st.integers(0, LONGEST_STEP_NS).map(lambda dt_ns: dt_ns * 1e-9)
STEPS = st.lists(
    st.tuples(NEAR_POSE | ANY_POSE, DT_S, st.integers(1, 12)),
    min_size=1, max_size=5)
# The speed with which a target counts as reached in the longest step, see `SAME_SPEED`.
ARRIVAL_SPEED = np.sqrt(2 * LIMITS.acceleration_limit * SAME_SPEED * LONGEST_STEP_NS * 1e-9)
REST = np.zeros(14)
LEFT_GRIPPER = np.eye(14)[6]


def _step(target: np.ndarray, motion: CommandedMotion, dt_s: float = PERIOD_S,
          limits: SafetyLimits = LIMITS):
    limited = limit_motion(target, motion, dt_s, limits)
    return limited, motion.after(limited, limits.clip(target), dt_s)


def _run(targets, motion: CommandedMotion, limits: SafetyLimits = LIMITS) -> np.ndarray:
    course = [motion.positions]
    for target in targets:
        _, motion = _step(target, motion, limits=limits)
        course.append(motion.positions)
    return np.array(course)


@hypothesis_settings(deadline=None)
@given(steps=STEPS)
@example(steps=[(LEFT_GRIPPER, 639_245e-9, 6), (REST, 9_777_922e-9, 2), (REST, 2e-9, 1)])
def test_position_speed_and_change_of_speed_stay_limited_whatever_the_targets(steps):
    motion = CommandedMotion.at_rest(START)
    for target, dt_s, repeats in steps:
        for _ in range(repeats):
            last = motion
            limited, motion = _step(target, motion, dt_s)
            assert (LIMITS.lower <= motion.positions).all()
            assert (motion.positions <= LIMITS.upper).all()
            step = np.abs(motion.positions - last.positions)
            assert (step <= LIMITS.velocity_limit * dt_s + ROUNDING).all()
            change = np.abs(motion.positions - last.positions - last.velocities * dt_s)
            slack = (2 * SAME_SPEED + ARRIVAL_SPEED) * dt_s + ROUNDING
            assert (change <= LIMITS.acceleration_limit * dt_s**2 + slack).all()
            assert not limited.positions.flags.writeable


@hypothesis_settings(deadline=None)
@given(goal=NEAR_POSE, start=NEAR_POSE)
def test_pose_is_reached_without_passing_it_and_then_kept(goal, start):
    goal, start = LIMITS.clip(goal), LIMITS.clip(start)
    course = _run([goal] * 300, replace(CommandedMotion.at_rest(start), target=goal))
    np.testing.assert_allclose(course[-1], goal, atol=1e-9)
    way = np.diff(course, axis=0) * np.sign(goal - start)
    assert (way >= -ROUNDING).all()


def _motion_within_limits(time_s: np.ndarray) -> np.ndarray:
    return START + 0.2 * (1 - np.cos(2 * time_s))[:, None] * LIMITS.is_arm_joint


def test_motion_within_the_limits_passes_unchanged_and_uncounted():
    targets = _motion_within_limits(np.arange(0, 4, PERIOD_S))
    motion = CommandedMotion.at_rest(START)
    for target in targets:
        limited, motion = _step(target, motion)
        np.testing.assert_array_equal(limited.positions, LIMITS.clip(target))
        assert not limited.clamped_acceleration.any()


def test_late_start_is_caught_up_with_and_then_followed_exactly():
    targets = _motion_within_limits(np.arange(0.7, 4, PERIOD_S))
    course = _run(targets, CommandedMotion.at_rest(START))
    np.testing.assert_allclose(course[40:], LIMITS.clip(targets[39:]), atol=1e-9)


def test_step_of_the_target_is_counted_until_it_is_reached():
    motion, flags = CommandedMotion.at_rest(START), []
    for _ in range(40):
        limited, motion = _step(START + 0.1, motion)
        flags.append(bool(limited.clamped_acceleration[0]))
    assert flags[0] and not flags[-1]
    assert flags == sorted(flags, reverse=True)


@given(distance=st.floats(0, 10), acceleration=st.floats(0.1, 100), dt_s=st.floats(1e-9, 0.1))
def test_braking_distance_and_speed_are_inverse(distance, acceleration, dt_s):
    speed = braking_speed(np.array(distance), np.array(acceleration), dt_s)
    assert braking_distance(speed, np.array(acceleration), dt_s) == pytest.approx(
        distance, rel=1e-6, abs=1e-9)


@given(distance=st.floats(0, 2), acceleration=st.floats(1, 100),
       dts_s=st.lists(st.floats(1e-3, 0.1), min_size=1, max_size=10))
def test_braking_speed_comes_to_rest_within_the_distance_in_steps_of_any_length(
        distance, acceleration, dts_s):
    speed = braking_speed(np.array(distance), np.array(acceleration), dts_s[0])
    way = speed * dts_s[0]
    for index in range(1, 100_000):
        dt_s = dts_s[index % len(dts_s)]
        speed -= acceleration * dt_s
        if speed <= 0:
            break
        way += speed * dt_s
    assert speed <= 0 and way <= distance + 1e-9


def test_arms_come_to_rest_where_resting_positions_tell():
    motion = CommandedMotion.at_rest(START)
    for index in range(20):
        _, motion = _step(START + 0.01 * (index + 1) * LIMITS.is_arm_joint, motion)
    rest = resting_positions(motion, LIMITS, PERIOD_S)
    assert ((rest - motion.positions)[LIMITS.is_arm_joint] > 0.002).all()
    course = _run([rest] * 20, replace(motion, target=rest))
    np.testing.assert_allclose(course[-1], rest, atol=1e-9)
    # Braking at full strength from the first step on.
    speeds = np.diff(course[:, 0]) / PERIOD_S
    np.testing.assert_allclose(
        motion.velocities[0] - speeds[0], LIMITS.acceleration_limit[0] * PERIOD_S)
    assert (np.diff(speeds) <= ROUNDING).all()


def test_arms_that_move_rest_inside_the_limits():
    motion = CommandedMotion(
        positions=LIMITS.upper, velocities=LIMITS.velocity_limit, target=LIMITS.upper)
    np.testing.assert_array_equal(resting_positions(motion, LIMITS, PERIOD_S), LIMITS.upper)


def test_limits_that_shrink_during_a_motion_hold_at_once_and_the_change_of_speed_gives_way():
    motion = CommandedMotion.at_rest(START)
    for _ in range(10):
        _, motion = _step(START + 1.0, motion)
    slow = LIMITS.slowed(0.2)
    assert motion.velocities[0] > 1.0
    _, motion = _step(START + 1.0, motion, limits=slow)
    assert motion.velocities[0] == pytest.approx(0.2)
    narrow = replace(LIMITS, upper=np.maximum(LIMITS.lower, motion.positions + 0.001))
    for _ in range(20):
        _, motion = _step(START + 1.0, motion, limits=narrow)
        assert (motion.positions <= narrow.upper).all()


def test_joint_outside_the_limits_goes_inside_and_never_further_out():
    outside = START.copy()
    outside[1] = LIMITS.lower[1] - 0.3
    course = _run([START] * 60, CommandedMotion.at_rest(outside))[:, 1]
    assert (np.diff(course) >= -ROUNDING).all()
    assert course[-1] == START[1]


def test_tick_of_no_duration_moves_nothing_and_forgets_no_speed():
    motion = CommandedMotion(
        positions=START, velocities=np.full(14, 0.5), target=START)
    limited, after = _step(START + 1.0, motion, dt_s=0.0)
    np.testing.assert_array_equal(limited.positions, START)
    np.testing.assert_array_equal(after.velocities, motion.velocities)


def test_target_that_is_no_number_is_refused():
    with pytest.raises(PredictionError, match='target is not finite'):
        _step(np.full(14, np.nan), CommandedMotion.at_rest(START))
