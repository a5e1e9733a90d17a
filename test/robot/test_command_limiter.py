# SPDX-License-Identifier: Apache-2.0
"""The limiter remembers where and how fast the last command was."""

from __future__ import annotations

from hypothesis import given, settings as hypothesis_settings, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.robot.command_limiter import CommandLimiter, least_openings
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.02, velocity_scale=0.5, max_acceleration_rad_s2=15.0)
START = LIMITS.clip(ALOHA.start_pose)
DT_S = 0.02
OPENING = arrays(np.float64, 14, elements=st.floats(-0.2, 1.4))


def _limiter() -> CommandLimiter:
    limiter = CommandLimiter(DT_S)
    limiter.rest_at(START)
    return limiter


def test_commands_build_up_speed_and_a_stop_does_not_wait_for_it_to_fall():
    limiter = _limiter()
    steps = np.diff([limiter.limit(START + 0.5, DT_S, LIMITS).positions[0] for _ in range(5)])
    np.testing.assert_allclose(np.diff(steps), 15.0 * DT_S**2)
    moving = limiter.positions[0]
    stopped = limiter.stop(START, DT_S, LIMITS).positions[0]
    assert moving - stopped == pytest.approx(LIMITS.velocity_limit[0] * DT_S)


@hypothesis_settings(deadline=None, max_examples=25)
@given(measured=arrays(np.float64, 14, elements=st.floats(-0.2, 0.2)),
       speed_rad_s=st.floats(-1.5, 1.5), num_before=st.integers(1, 10))
def test_stop_goes_straight_back_to_what_was_measured_and_never_beyond(
        measured, speed_rad_s, num_before):
    limiter = _limiter()
    for index in range(1, num_before + 1):
        limiter.limit(START + speed_rad_s * DT_S * index, DT_S, LIMITS)
    last = limiter.positions
    hold = START + measured
    limits = LIMITS.widened_to(hold)
    course = np.array([last, *(limiter.stop(hold, DT_S, limits).positions for _ in range(30))])
    ways = np.abs(np.diff(course, axis=0))
    assert (ways <= LIMITS.velocity_limit * DT_S * (1 + 1e-9)).all()
    np.testing.assert_allclose(ways.sum(axis=0), np.abs(hold - last), atol=1e-9)
    np.testing.assert_array_equal(course[-1], hold)
    assert ((limits.lower <= course) & (course <= limits.upper)).all()


def test_jump_that_is_announced_is_no_speed_of_the_target():
    limiter = _limiter()
    for index in range(10):
        limiter.limit(START + 0.02 * index, DT_S, LIMITS)
    rest = limiter.resting_pose(LIMITS)
    limiter.aim_at(rest)
    course = [limiter.limit(rest, DT_S, LIMITS).positions[0] for _ in range(15)]
    assert max(course) <= rest[0] + 1e-9
    assert course[-1] == pytest.approx(rest[0])


def test_resting_outside_the_limits_is_no_motion():
    limiter = _limiter()
    outside = START.copy()
    outside[1] = -2.05
    limiter.rest_at(outside)
    np.testing.assert_array_equal(limiter.resting_pose(LIMITS), outside)


def test_forgotten_command_is_none():
    limiter = _limiter()
    limiter.forget()
    limiter.aim_at(START)
    assert limiter.positions is None


@given(command=OPENING, measured=OPENING, squeeze=st.floats(0.01, 1))
def test_gripper_may_close_by_the_squeeze_beyond_what_is_measured_and_is_never_reopened(
        command, measured, squeeze):
    least = least_openings(command, measured, squeeze=squeeze)
    assert (least <= command).all()
    assert ((least >= measured - squeeze - 1e-12) | (least == command)).all()
