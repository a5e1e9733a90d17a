# SPDX-License-Identifier: Apache-2.0
"""No command leaves the limits or is too fast, whatever the target."""

from __future__ import annotations

from dataclasses import replace
import math

from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.robot.safety import largest_gap, limit_target, SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.02, velocity_scale=0.5, max_acceleration_rad_s2=15.0)
ROUNDING = 1e-12
START = LIMITS.clip(ALOHA.start_pose)

ANY_POSE = arrays(np.float64, 14, elements=st.floats(allow_nan=False, allow_infinity=False))
NEAR_POSE = arrays(np.float64, 14, elements=st.floats(-5.0, 5.0))
INSIDE_POSE = arrays(np.float64, 14, elements=st.floats(0.0, 1.0)).map(
    lambda share: LIMITS.clip(LIMITS.lower + share * (LIMITS.upper - LIMITS.lower)))
DT_S = st.floats(0.0, 1.0)


@given(target=ANY_POSE, last=INSIDE_POSE, dt_s=DT_S)
def test_command_is_inside_the_limits_and_not_too_fast(target, last, dt_s):
    positions = limit_target(target, last, dt_s, LIMITS).positions
    assert (LIMITS.lower <= positions).all() and (positions <= LIMITS.upper).all()
    assert (np.abs(positions - last) <= LIMITS.velocity_limit * dt_s + ROUNDING).all()


@given(target=INSIDE_POSE, last=NEAR_POSE)
def test_safe_target_passes_unchanged(target, last):
    limited = limit_target(target, last, 100.0, LIMITS)
    np.testing.assert_array_equal(limited.positions, target)
    assert not limited.clamped_position.any() and not limited.clamped_velocity.any()


@given(target=ANY_POSE, last=NEAR_POSE, dt_s=DT_S)
def test_joint_outside_the_limits_moves_towards_them_without_a_jump(target, last, dt_s):
    positions = limit_target(target, last, dt_s, LIMITS).positions
    outside_before = np.abs(last - LIMITS.clip(last))
    outside_after = np.abs(positions - LIMITS.clip(positions))
    step = LIMITS.velocity_limit * dt_s
    assert (outside_after <= np.maximum(outside_before - step, 0) + ROUNDING).all()
    assert (np.abs(positions - last) <= step + ROUNDING).all()


@given(target=NEAR_POSE, last=INSIDE_POSE, dt_s=DT_S)
def test_every_clamped_joint_is_reported(target, last, dt_s):
    limited = limit_target(target, last, dt_s, LIMITS)
    is_changed = limited.positions != target
    assert (is_changed <= (limited.clamped_position | limited.clamped_velocity)).all()
    np.testing.assert_array_equal(limited.clamped_position, LIMITS.clip(target) != target)


@given(target=ANY_POSE, last=INSIDE_POSE, index=st.integers(0, 13),
       bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_no_number_is_refused_and_never_clamped(target, last, index, bad):
    target[index] = bad
    with pytest.raises(PredictionError, match=f'target is not finite at index .{index}.'):
        limit_target(target, last, 0.02, LIMITS)
    with pytest.raises(PredictionError, match='last command is not finite'):
        limit_target(last, target, 0.02, LIMITS)


@pytest.mark.parametrize('size', [0, 1, 7, 13, 15])
def test_wrong_length_is_refused(size):
    for arguments in ((np.zeros(size), START), (START, np.zeros(size))):
        with pytest.raises(PredictionError, match=f'shape .{size},'):
            limit_target(*arguments, 0.02, LIMITS)


@pytest.mark.parametrize('dt_s', [-0.01, math.nan, math.inf])
def test_time_that_cannot_have_passed_is_refused(dt_s):
    with pytest.raises(PredictionError, match=f'is {dt_s} s'):
        limit_target(START, START, dt_s, LIMITS)


def test_arguments_are_not_edited_and_the_result_is_locked():
    target, last = np.full(14, 9.0), START.copy()
    limited = limit_target(target, last, 0.02, LIMITS)
    assert not limited.positions.flags.writeable
    np.testing.assert_array_equal(target, np.full(14, 9.0))
    np.testing.assert_array_equal(last, START)


def test_speed_is_limited_in_both_directions():
    step = LIMITS.velocity_limit * 0.02
    for direction in (-1, 1):
        limited = limit_target(START + direction * 0.3, START, 0.02, LIMITS)
        expected = LIMITS.clip(START + direction * step)
        np.testing.assert_allclose(limited.positions, expected)


def test_vendor_sleep_pose_leads_back_inside_at_the_speed_limit():
    sleep = START.copy()
    sleep[1] = -2.05
    course = [sleep]
    while course[-1][1] < LIMITS.lower[1] and len(course) < 100:
        course.append(limit_target(START, course[-1], 0.02, LIMITS).positions)
    steps = np.diff([pose[1] for pose in course])
    np.testing.assert_allclose(steps, LIMITS.velocity_limit[1] * 0.02)
    assert len(course) == 1 + math.ceil((2.05 - 1.85005 + 0.02) / (0.5 * math.pi * 0.02))


def test_limits_are_those_of_the_robot_with_margin_for_arms_only():
    margin = np.array(([0.02] * 6 + [0.0]) * 2)
    np.testing.assert_allclose(LIMITS.lower, ALOHA.lower + margin)
    np.testing.assert_allclose(LIMITS.upper, ALOHA.upper - margin)
    np.testing.assert_allclose(LIMITS.velocity_limit, ALOHA.velocity_limit / 2)
    # A gripper's motor turns by 1.0017 rad from closed to open.
    np.testing.assert_allclose(
        LIMITS.acceleration_limit, ([15.0] * 6 + [15.0 / 1.0017]) * 2, rtol=1e-9)
    assert np.flatnonzero(~LIMITS.is_arm_joint).tolist() == [6, 13]


@pytest.mark.parametrize('margin_rad, text', [
    (-0.1, 'position_margin_rad is -0.1'), (math.nan, 'position_margin_rad is nan'),
    (2.0, 'left_shoulder may move')])
def test_margin_that_leaves_no_room_is_refused(margin_rad, text):
    with pytest.raises(ConfigurationError, match=text):
        SafetyLimits.from_robot(ALOHA, position_margin_rad=margin_rad, velocity_scale=1.0,
                                max_acceleration_rad_s2=15.0)


@pytest.mark.parametrize('scale', [0.0, -0.5, 1.01, math.nan])
def test_speed_beyond_the_robots_is_refused(scale):
    with pytest.raises(ConfigurationError, match=f'velocity_scale is {scale}'):
        SafetyLimits.from_robot(ALOHA, position_margin_rad=0.0, velocity_scale=scale,
                                max_acceleration_rad_s2=15.0)


@pytest.mark.parametrize('fields, text', [
    ({'velocity_limit': np.zeros(14)}, 'speed limit of left_waist is 0.0'),
    ({'acceleration_limit': np.full(14, -1.0)}, 'acceleration limit is -1.0'),
    ({'lower': np.zeros(13)}, 'lower has shape'),
    ({'upper': np.full(14, np.inf)}, 'upper is not finite')])
def test_limits_that_are_none_are_refused(fields, text):
    with pytest.raises(ConfigurationError, match=text):
        replace(LIMITS, **fields)


@given(pose=NEAR_POSE)
def test_widened_limits_contain_the_pose_and_all_that_was_allowed(pose):
    widened = LIMITS.widened_to(pose)
    np.testing.assert_array_equal(widened.clip(pose), pose)
    assert (widened.lower <= LIMITS.lower).all() and (widened.upper >= LIMITS.upper).all()


def test_slowed_limits_slow_the_arms_and_leave_the_grippers():
    slowed = LIMITS.slowed(0.5)
    assert (slowed.velocity_limit[LIMITS.is_arm_joint] == 0.5).all()
    np.testing.assert_array_equal(slowed.velocity_limit[[6, 13]], LIMITS.velocity_limit[[6, 13]])
    np.testing.assert_array_equal(LIMITS.slowed(99.0).velocity_limit, LIMITS.velocity_limit)


@given(openings=NEAR_POSE)
def test_least_openings_narrow_the_grippers_alone_and_within_their_range(openings):
    narrowed = LIMITS.with_least_openings(openings)
    arms = LIMITS.is_arm_joint
    np.testing.assert_array_equal(narrowed.lower[arms], LIMITS.lower[arms])
    np.testing.assert_array_equal(narrowed.lower[~arms], np.clip(openings[~arms], 0, 1))
    np.testing.assert_array_equal(narrowed.upper, LIMITS.upper)


@given(a=NEAR_POSE, b=NEAR_POSE)
def test_largest_gap_is_that_of_an_arm_joint(a, b):
    joint, gap_rad = largest_gap(a, b, LIMITS)
    gaps = np.abs(a - b)
    assert gap_rad == gaps[[*range(6), *range(7, 13)]].max()
    assert gaps[ALOHA.joint_names.index(joint)] == gap_rad or gap_rad == 0
