# SPDX-License-Identifier: Apache-2.0
"""Observation, action chunk, prediction: checked on entry."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError, PredictionError
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction

IMAGE = np.zeros((4, 6, 3), np.uint8)
CHUNK = ActionChunk(positions=np.zeros((5, 14)), stamp_ns=100, period_ns=10)


def observation(**changes):
    """Make an observation."""
    return Observation(**{'images': {'cam_high': IMAGE}, 'proprio': np.zeros(14), 'stamp_ns': 1,
                          'task': 'wave', **changes})


def prediction(**changes):
    """Make a prediction."""
    return Prediction(**{'chunk': CHUNK, 'future_proprio': np.zeros(14), 'value': 0.5, 'seed': 1,
                         'num_denoising_steps': 5, **changes})


def test_action_k_is_due_k_plus_one_periods_after_the_observation():
    assert [CHUNK.due_ns(k) for k in (0, 1, 4)] == [110, 120, 150]
    assert CHUNK.end_ns == 150


@pytest.mark.parametrize('change', [
    {'positions': np.zeros((0, 14))}, {'positions': np.zeros(14)}, {'period_ns': 0},
    {'positions': np.full((2, 14), np.nan)}])
def test_a_chunk_that_cannot_be_executed_is_refused(change):
    with pytest.raises(PredictionError):
        ActionChunk(**{'positions': np.zeros((5, 14)), 'stamp_ns': 0, 'period_ns': 10, **change})


def test_a_command_must_be_one_finite_vector():
    with pytest.raises(PredictionError, match='index'):
        JointCommand(positions=[0.0, np.inf], stamp_ns=0)


@pytest.mark.parametrize('change', [
    {'images': {'cam_high': IMAGE.astype(np.float32)}}, {'images': {'cam_high': IMAGE[..., 0]}},
    {'images': {'cam_high': IMAGE[..., :2]}}, {'proprio': np.full(14, np.nan)},
    {'proprio': np.zeros((2, 7))}])
def test_an_observation_of_another_shape_or_type_is_refused(change):
    with pytest.raises(ObservationError):
        observation(**change)


def test_an_observation_cannot_be_changed():
    seen = observation()
    with pytest.raises(TypeError):
        seen.images['cam_low'] = IMAGE
    with pytest.raises(ValueError, match='read-only'):
        seen.images['cam_high'][0] = 1


@pytest.mark.parametrize('change', [
    {'value': 1.1}, {'value': -0.1}, {'value': float('nan')},
    {'future_proprio': np.full(14, np.inf)}])
def test_a_prediction_out_of_range_is_refused(change):
    with pytest.raises(PredictionError):
        prediction(**change)


def test_a_prediction_has_no_images_unless_given():
    assert not prediction().future_images
    assert prediction(future_images={'cam_high': IMAGE}).future_images['cam_high'].shape == (
        4, 6, 3)
