# SPDX-License-Identifier: Apache-2.0
"""Predictions are compared with what arrives at their time, once, and not with anything else."""

import numpy as np
import pytest

from cosmos_policy_ros.policy.prediction_monitor import PredictionMonitor, SeenState
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.prediction import Prediction

SECOND = 10**9
MONITOR = {'max_lateness_s': 0.2}


def prediction(stamp_ns, *, proprio=0.0, grey=100):
    """Make a prediction whose future is two seconds after its stamp."""
    return Prediction(
        chunk=ActionChunk(positions=np.zeros((50, 14)), stamp_ns=stamp_ns,
                          period_ns=SECOND // 25),
        future_proprio=np.full(14, proprio), value=0.5, seed=0, num_denoising_steps=1,
        future_images={'cam_high': np.full((4, 4, 3), grey, np.uint8)})


def seen(stamp_ns, *, proprio=0.0, grey=100):
    """Make what an observation shows."""
    return SeenState(proprio=np.full(14, proprio), stamp_ns=stamp_ns,
                     images={'cam_high': np.full((4, 4, 3), grey, np.uint8)})


def test_a_prediction_is_compared_with_the_first_observation_of_its_time():
    monitor = PredictionMonitor(**MONITOR)
    monitor.expect(7, prediction(0, proprio=0.3, grey=100), seen(0, grey=50))
    assert not monitor.is_due(2 * SECOND - 1) and not monitor.compare(seen(SECOND))
    assert monitor.is_due(2 * SECOND)
    (comparison,) = monitor.compare(seen(2 * SECOND + SECOND // 10, proprio=0.1, grey=151))
    assert (comparison.query_index, comparison.due_ns) == (7, 2 * SECOND)
    assert comparison.lateness_s == pytest.approx(0.1)
    np.testing.assert_allclose(comparison.proprio_error, 0.2)
    assert comparison.image_error['cam_high'] == pytest.approx(51 / 255)
    assert comparison.image_change['cam_high'] == pytest.approx(101 / 255)
    assert comparison.proprio_rms(np.arange(14) < 6) == pytest.approx(0.2)
    assert not monitor.compare(seen(3 * SECOND))


def test_a_perfect_prediction_has_no_error():
    monitor = PredictionMonitor(**MONITOR)
    monitor.expect(0, prediction(0, proprio=0.4, grey=9), seen(0))
    (comparison,) = monitor.compare(seen(2 * SECOND, proprio=0.4, grey=9))
    assert comparison.image_error['cam_high'] == 0.0 and not comparison.proprio_error.any()


def test_an_observation_that_comes_too_late_compares_nothing_and_the_prediction_is_dropped():
    monitor = PredictionMonitor(**MONITOR)
    monitor.expect(0, prediction(0), seen(0))
    monitor.expect(1, prediction(SECOND), seen(SECOND))
    assert [c.query_index for c in monitor.compare(seen(3 * SECOND))] == [1]
    assert not monitor.is_due(10 * SECOND)


def test_clear_forgets_and_memory_is_bounded():
    monitor = PredictionMonitor(**MONITOR)
    for index in range(500):
        monitor.expect(index, prediction(0), seen(0))
    assert len(monitor.compare(seen(2 * SECOND))) == 64
    monitor.expect(0, prediction(0), seen(0))
    monitor.clear()
    assert not monitor.is_due(10 * SECOND)


def test_a_policy_without_imagined_images_is_compared_in_its_joints():
    monitor = PredictionMonitor(**MONITOR)
    blind = SeenState(proprio=np.zeros(14), images={}, stamp_ns=0)
    monitor.expect(0, prediction(0, proprio=0.5), blind)
    (comparison,) = monitor.compare(SeenState(
        proprio=np.zeros(14), images={}, stamp_ns=2 * SECOND))
    assert not comparison.image_error and comparison.proprio_error[0] == 0.5
