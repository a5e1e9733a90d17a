# SPDX-License-Identifier: Apache-2.0
"""A course goes through its actions, smoothly, and never beyond the hull of its neighbours."""

from __future__ import annotations

from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.robot.chunk_course import (
    ChunkCourse, course_from_rest, course_on_clock, mixed, monotone_tangents)
from cosmos_policy_ros.spec.action import ActionChunk

MS = 1_000_000
PERIOD_MS = 40
ANY = st.floats(allow_nan=False, allow_infinity=False)
ACTIONS = arrays(np.float64, st.tuples(st.integers(2, 8), st.just(3)), elements=ANY)
NEAR_ACTIONS = arrays(
    np.float64, st.tuples(st.integers(2, 8), st.just(3)), elements=st.floats(-3, 3))


def _course(positions: np.ndarray) -> ChunkCourse:
    chunk = ActionChunk(positions=positions, stamp_ns=0, period_ns=PERIOD_MS * MS)
    return course_on_clock(chunk, PERIOD_MS * MS, positions[0])


def _speeds(course: ChunkCourse, times_ms: np.ndarray, step_ms: float = 0.01) -> np.ndarray:
    """Central differences in [1/s]."""
    def pose(time_ms: float) -> np.ndarray:
        return course.position_at(round(time_ms * MS))
    return np.array([(pose(t + step_ms) - pose(t - step_ms)) / (2e-3 * step_ms)
                     for t in times_ms])


@given(positions=ACTIONS)
def test_every_action_is_reached_exactly_when_it_is_due(positions):
    course = _course(positions)
    for index, action in enumerate(positions):
        np.testing.assert_array_equal(
            course.position_at((index + 1) * PERIOD_MS * MS), action)


@given(positions=ACTIONS, share=st.floats(0, 1), index=st.integers(0, 6))
def test_no_target_leaves_the_hull_of_the_actions_around_it(positions, share, index):
    start, end = positions[[min(index, len(positions) - 2), min(index + 1, len(positions) - 1)]]
    time_ms = (min(index, len(positions) - 2) + 1 + share) * PERIOD_MS
    target = _course(positions).position_at(round(time_ms * MS))
    assert (np.minimum(start, end) <= target).all() and (target <= np.maximum(start, end)).all()


@given(positions=NEAR_ACTIONS)
def test_speed_is_continuous_and_at_most_twice_that_of_the_straight_lines(positions):
    course = _course(positions)
    slopes = np.abs(np.diff(positions, axis=0)).max(axis=0) / (PERIOD_MS / 1000)
    end_ms = len(positions) * PERIOD_MS
    times_ms = np.arange(PERIOD_MS + 1, end_ms - 1, 0.5)
    speeds = _speeds(course, times_ms)
    assert (np.abs(speeds) <= 2 * slopes + 1e-6).all()
    # Twelve slopes per period bound the second derivative of such a cubic.
    bend = 12 * slopes / PERIOD_MS * 0.5
    assert (np.abs(np.diff(speeds, axis=0)) <= bend + 1e-4).all()


@given(positions=NEAR_ACTIONS, rates=arrays(np.float64, 3, elements=st.floats(-2, 2)))
def test_straight_line_stays_straight(positions, rates):
    times_s = np.arange(1, len(positions) + 1)[:, None] * PERIOD_MS / 1000
    course = _course(positions[0] + rates * times_s)
    for time_ms in np.linspace(PERIOD_MS, PERIOD_MS * len(positions), 17):
        np.testing.assert_allclose(
            course.position_at(round(time_ms * MS)), positions[0] + rates * time_ms / 1000,
            atol=1e-8)


def test_samples_of_a_smooth_curve_give_the_curve():
    def curve(time_s: np.ndarray) -> np.ndarray:
        return np.sin(2 * time_s)[..., None]
    times_s = np.arange(1, 51) * PERIOD_MS / 1000
    course = _course(curve(times_s))
    fine_s = np.linspace(0.08, 1.9, 500)
    errors = [abs(course.position_at(round(t * 1e9)) - curve(t)).max() for t in fine_s]
    # The largest second derivative is 4 per s^2; a straight line errs by 4 * 0.04^2 / 8.
    assert max(errors) <= 4 * 0.04**2 / 8
    assert np.median(errors) < 2e-5


def test_arms_that_stand_set_off_at_rest_towards_the_actions_still_due():
    chunk = ActionChunk(positions=np.arange(1.0, 6.0)[:, None], stamp_ns=0, period_ns=40 * MS)
    course = course_from_rest(chunk, 90 * MS, np.array([2.0]))
    assert course.due_ns == (90 * MS, 120 * MS, 160 * MS, 200 * MS)
    assert course.position_at(90 * MS) == 2.0
    assert _speeds(course, np.array([90.02])) == pytest.approx(0.0, abs=0.1)
    assert (course.next_action(0), course.next_action(90 * MS)) == (3.0, 3.0)
    assert [course.next_action(t * MS)[0] for t in (120, 121, 200, 999)] == [3.0, 4.0, 5.0, 5.0]


def test_chunk_that_has_not_begun_is_led_to_and_one_that_has_is_not():
    chunk = ActionChunk(positions=np.ones((2, 1)), stamp_ns=100 * MS, period_ns=40 * MS)
    early = course_on_clock(chunk, 110 * MS, np.array([7.0]))
    assert (early.due_ns[0], early.position_at(110 * MS), early.num_leading) == (110 * MS, 7.0, 1)
    begun = course_on_clock(chunk, 140 * MS, np.array([7.0]))
    assert (begun.due_ns[0], begun.position_at(140 * MS), begun.num_leading) == (140 * MS, 1.0, 0)


def test_before_its_poses_a_course_stays_and_after_them_it_goes_on_at_its_last_speed():
    course = _course(np.array([[1.0], [2.0], [3.0]]))
    assert course.position_at(-10**15) == 1.0
    assert course.position_at(160 * MS)[0] == pytest.approx(4.0)
    assert _speeds(course, np.array([120.0])) == pytest.approx(1 / 0.04)


def test_long_after_its_poses_a_course_stands_not_far_beyond_the_last():
    course = _course(np.array([[1.0], [2.0], [3.0]]))
    assert course.position_at(10**12)[0] == pytest.approx(3.0 + 300 / PERIOD_MS)


@given(first=arrays(np.float64, 3, elements=ANY), share=st.floats(0, 1))
def test_mean_of_equal_poses_is_exact(first, share):
    np.testing.assert_array_equal(mixed(first, first, share), first)


def test_slopes_that_overflow_leave_a_straight_line():
    huge = np.array([[1.7e308], [-1.7e308], [1.7e308]])
    assert not np.isfinite(monotone_tangents((0, 1, 2), huge * 1.0)).all()
    course = _course(huge)
    assert course.position_at(60 * MS) == 0.0
    assert course.position_at(999 * MS) == 1.7e308
