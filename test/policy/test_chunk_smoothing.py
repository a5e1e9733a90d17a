# SPDX-License-Identifier: Apache-2.0
"""What smoothing keeps and what it takes away."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.policy.chunk_smoothing import smooth_chunks, smoothing_matrix

PERIOD_S = 0.04
STEPS = np.arange(50)
CUTOFFS_HZ = st.floats(0.5, 12.0)
NUMBERS = st.floats(-3, 3)


def smoothed(course: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Smooth one joint's course."""
    return smooth_chunks(course[:, None], period_s=PERIOD_S, cutoff_hz=cutoff_hz)[:, 0]


@given(NUMBERS, NUMBERS, NUMBERS, CUTOFFS_HZ)
def test_a_course_of_constant_acceleration_stays(position, speed, acceleration, cutoff_hz):
    t = STEPS / 50
    course = position + speed * t + acceleration * t**2
    np.testing.assert_allclose(smoothed(course, cutoff_hz), course, atol=1e-6)


@given(st.integers(0, 2**32 - 1), CUTOFFS_HZ)
def test_the_mean_stays_and_nothing_gets_rougher(seed, cutoff_hz):
    course = np.random.default_rng(seed).standard_normal(50)
    result = smoothed(course, cutoff_hz)
    assert result.mean() == pytest.approx(course.mean(), abs=1e-9)
    assert np.square(np.diff(result, n=3)).sum() <= np.square(np.diff(course, n=3)).sum()


@pytest.mark.parametrize('cutoff_hz', [2.0, 4.0, 8.0])
def test_a_vibration_at_the_cutoff_is_halved(cutoff_hz):
    # In the middle of a long course, where no end is near.
    time_s = PERIOD_S * np.arange(500)
    vibration = np.cos(2 * np.pi * cutoff_hz * time_s)
    np.testing.assert_allclose(smoothed(vibration, cutoff_hz)[200:300], vibration[200:300] / 2,
                               atol=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_nothing_is_delayed(seed):
    course = np.random.default_rng(seed).standard_normal(50)
    np.testing.assert_allclose(smoothed(course[::-1], 3.7)[::-1], smoothed(course, 3.7), atol=1e-9)


def test_joints_and_candidates_are_smoothed_each_by_itself():
    chunks = np.random.default_rng(0).standard_normal((3, 50, 14))
    result = smooth_chunks(chunks, period_s=PERIOD_S, cutoff_hz=3.7)
    np.testing.assert_allclose(result[2, :, 5], smoothed(chunks[2, :, 5], 3.7))


def test_the_matrix_is_shared_and_cannot_be_changed():
    matrix = smoothing_matrix(50, PERIOD_S, 3.7)
    assert smoothing_matrix(50, PERIOD_S, 3.7) is matrix
    with pytest.raises(ValueError, match='read-only'):
        matrix[0, 0] = 1.0
