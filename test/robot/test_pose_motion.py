# SPDX-License-Identifier: Apache-2.0
"""Motions to a pose start and end at rest and are no faster than asked."""

from __future__ import annotations

import math

from hypothesis import given, settings as hypothesis_settings, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.pose_motion import (
    plan_pose_motion, require_reachable, with_grippers_open)
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.02, velocity_scale=0.5, max_acceleration_rad_s2=15.0)
INSIDE_POSE = arrays(np.float64, 14, elements=st.floats(0.0, 1.0)).map(
    lambda share: LIMITS.clip(LIMITS.lower + share * (LIMITS.upper - LIMITS.lower)))


@hypothesis_settings(deadline=None)
@given(poses=st.lists(INSIDE_POSE, min_size=2, max_size=3), speed_rad_s=st.floats(0.05, 3.0))
def test_motion_goes_from_rest_to_rest_within_speed_and_acceleration(poses, speed_rad_s):
    poses = np.array(poses)
    motion = plan_pose_motion(poses, 10**9, LIMITS, speed_rad_s=speed_rad_s)
    for pose, time_ns in zip(poses, motion.times_ns):
        np.testing.assert_allclose(motion.position_at(time_ns), pose, atol=1e-12)
    np.testing.assert_array_equal(motion.position_at(0), poses[0])
    np.testing.assert_array_equal(motion.position_at(motion.end_ns + 1), poses[-1])
    # Equal steps: times rounded to nanoseconds would look like jerk in a very short motion.
    step_ns = max(1, (motion.end_ns - 10**9) // 200)
    times_ns = np.arange(10**9, motion.end_ns + step_ns, step_ns)
    dt_s = step_ns / 1e9
    rounding = 16 * np.finfo(float).eps * np.pi
    speeds = np.diff([motion.position_at(int(t)) for t in times_ns], axis=0) / dt_s
    limit = LIMITS.slowed(speed_rad_s).velocity_limit
    assert (np.abs(speeds) <= limit * 1.001 + rounding / dt_s).all()
    changes = np.abs(np.diff(speeds, axis=0)) / dt_s
    assert (changes <= LIMITS.acceleration_limit * 1.01 + rounding / dt_s**2).all()


def test_one_joint_sets_the_pace_at_the_speed_asked_for():
    goal = ALOHA.start_pose.copy()
    goal[0] = 0.8
    motion = plan_pose_motion(
        np.array([ALOHA.start_pose, goal]), 0, LIMITS, speed_rad_s=0.5)
    assert motion.end_ns / 1e9 == pytest.approx(15 / 8 * 0.8 / 0.5)
    course = [motion.position_at(t)[0] for t in range(0, motion.end_ns, 10**6)]
    assert np.diff(course).max() / 1e-3 == pytest.approx(0.5, rel=1e-3)


def test_no_way_takes_no_time():
    poses = np.array([ALOHA.start_pose] * 2)
    motion = plan_pose_motion(poses, 7, LIMITS, speed_rad_s=0.5)
    assert motion.end_ns == 7
    np.testing.assert_array_equal(motion.position_at(7), ALOHA.start_pose)


@pytest.mark.parametrize('speed_rad_s', [0.0, -1.0, math.nan, math.inf])
def test_speed_that_is_none_is_refused(speed_rad_s):
    with pytest.raises(RobotError, match=f'speed to a pose is {speed_rad_s}'):
        plan_pose_motion(np.array([ALOHA.start_pose] * 2), 0, LIMITS, speed_rad_s=speed_rad_s)


@pytest.mark.parametrize('change, text', [
    (lambda pose: pose[:13], 'pose has shape .13,'),
    (lambda pose: np.where(np.arange(14) == 3, np.nan, pose), 'pose is not finite'),
    (lambda pose: np.where(np.arange(14) == 1, -2.05, pose),
     'pose has left_shoulder at -2.0500; allowed is -1.8300 to 1.2366'),
    (lambda pose: np.where(np.arange(14) == 13, 1.1, pose), 'right_gripper at 1.1')])
def test_pose_that_cannot_be_reached_is_refused(change, text):
    with pytest.raises(RobotError, match=text):
        require_reachable(change(ALOHA.start_pose), LIMITS)


def test_start_and_sleep_poses_can_be_reached():
    for pose in (ALOHA.start_pose, ALOHA.sleep_pose):
        np.testing.assert_array_equal(require_reachable(pose, LIMITS), pose)
    np.testing.assert_array_equal(ALOHA.sleep_pose[:6], ALOHA.arms[0].sleep_rad)


def test_opening_the_grippers_moves_no_arm():
    opened = with_grippers_open(ALOHA.start_pose, LIMITS)
    assert np.flatnonzero(opened != ALOHA.start_pose).tolist() == [6, 13]
    assert opened[6] == opened[13] == 1.0
