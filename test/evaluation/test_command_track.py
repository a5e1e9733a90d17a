# SPDX-License-Identifier: Apache-2.0
"""Recorded commands against the limits: what keeps them passes, what breaks one is named."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.evaluation.command_track import CommandTrack, track_limits, TrackLimits
from cosmos_policy_ros.robot.acceleration_limit import CommandedMotion, limit_motion
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

PERIOD_S = 0.02
LIMITS = TrackLimits(lower=np.array([-1.0]), upper=np.array([1.0]), velocity=np.array([1.0]),
                     acceleration=np.array([10.0]))
SAFETY = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.02, velocity_scale=0.5, max_acceleration_rad_s2=15.0)


def track_of(values, period_s=PERIOD_S):
    """Return a track of values of one joint, or of vectors."""
    track = CommandTrack()
    for index, value in enumerate(values):
        track.add(round(index * period_s * 1e9), np.atleast_1d(value))
    return track


@pytest.mark.parametrize(('values', 'words'), [
    ([0.97, 0.985, 1.0, 1.01], ['position']),
    ([-1.0] * 5, []),
    ([0.0, 0.015, 0.03, 0.046, 0.062, 0.078], []),
    ([0.0] * 3 + [0.035] * 3, ['step', 'change of step']),
    ([0.0] * 3 + [0.02] * 3, ['change of step']),
    ([0.0, 0.004, 0.012, 0.02, 0.024, 0.024], []),
])
def test_what_breaks_a_limit_is_named(values, words):
    texts = track_of(values).violations(LIMITS, PERIOD_S)
    assert [text.partition(' beyond')[0] for text in texts] == words, texts


def test_a_stop_may_be_abrupt():
    track = track_of([0.0] * 5 + [0.02] * 5)
    stop_ns = 100_000_000
    assert track.violations(LIMITS, PERIOD_S)
    assert not track.violations(LIMITS, PERIOD_S, [(stop_ns - 10**7, stop_ns + 10**8)])
    assert track.violations(LIMITS, PERIOD_S, [(stop_ns + 10**9, stop_ns + 10**10)])


def test_uneven_ticks_do_not_tell_changes_of_speed():
    assert not track_of([0.0] * 5 + [0.02] * 5, period_s=0.03).violations(LIMITS, PERIOD_S)


@given(targets=st.lists(st.floats(-3, 3), min_size=3, max_size=60))
def test_what_the_limiter_lets_through_has_no_violation(targets):
    pair = track_limits(ALOHA, SAFETY)[0][0]
    motion = CommandedMotion.at_rest(ALOHA.start_pose)
    track = CommandTrack()
    for index, target in enumerate(targets):
        goal = SAFETY.clip(ALOHA.start_pose + target)
        limited = limit_motion(goal, motion, PERIOD_S, SAFETY)
        motion = motion.after(limited, goal, PERIOD_S)
        track.add(round(index * PERIOD_S * 1e9), motion.positions[:6].astype(np.float32))
    assert track.violations(pair, PERIOD_S) == []


def test_the_limits_of_a_gripper_are_those_of_its_motor():
    for arm, (joints, gripper) in zip(ALOHA.arms, track_limits(ALOHA, SAFETY)):
        assert len(joints.lower) == len(arm.joint_names) and len(gripper.lower) == 1
        ends = sorted([arm.gripper.joint_open_rad, arm.gripper.joint_closed_rad])
        assert [gripper.lower[0], gripper.upper[0]] == pytest.approx(ends)


def test_counting_and_travel_are_between_two_times():
    track = track_of([0.0, 0.1, 0.2, 0.5])
    assert track.count_between(0, 40_000_000) == 2
    assert track.travel_between(0, 40_000_000) == pytest.approx(0.1)
    assert track.travel_between(10**9, 10**10) == 0.0


def test_clearing_keeps_what_the_next_command_is_judged_by():
    track = track_of([0.0, 0.1, 0.2])
    track.clear()
    assert track.count_between(-1, 10**12) == 2
