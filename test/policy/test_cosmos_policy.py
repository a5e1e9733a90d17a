# SPDX-License-Identifier: Apache-2.0
"""Cosmos Policy in direct mode."""

from copy import deepcopy
from dataclasses import replace
from time import perf_counter

from contracts.policy_contract import PolicyContract
import numpy as np
import pytest
import torch

from cosmos_policy_ros.errors import (
    CheckpointError, ConfigurationError, ObservationError, PredictionError)
from cosmos_policy_ros.policy.chunk_smoothing import smooth_chunks
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.preprocessing import preprocess_images
from cosmos_policy_ros.spec.aloha import ALOHA


class TestTinyCosmosPolicy(PolicyContract):
    """The contract, on the tiny model."""

    @pytest.fixture(scope='class')
    def policy(self, tiny_checkpoint):
        return CosmosPolicy(tiny_checkpoint)


class TestTinyPatchPolicy(PolicyContract):
    """The contract, on the tiny model with the patch autoencoder."""

    @pytest.fixture(scope='class')
    def policy(self, tiny_patch_checkpoint):
        return CosmosPolicy(tiny_patch_checkpoint)


@pytest.fixture(scope='module')
def tiny_policy(tiny_checkpoint):
    """The policy on the tiny model."""
    return CosmosPolicy(tiny_checkpoint)


@pytest.fixture(scope='module')
def small_policy():
    """The model that is installed with the package."""
    return CosmosPolicy.load('aloha_small')


def test_the_stages_are_preprocess_encode_denoise_decode(tiny_policy, synthetic_observation):
    prediction = tiny_policy.predict(synthetic_observation(), 0)
    assert [timing.name for timing in prediction.timings] == [
        'preprocess', 'encode', 'denoise', 'decode']
    assert prediction.mode == 'direct'


def test_the_stages_add_up_to_the_whole_query(small_policy, synthetic_observation):
    observation = synthetic_observation()
    small_policy.predict(observation, 0)
    start = perf_counter()
    timings = small_policy.predict(observation, 0, with_future_images=True).timings
    duration_s = perf_counter() - start
    stages_s = sum(timing.duration_s for timing in timings)
    assert 0.8 * duration_s < stages_s <= duration_s


def test_the_number_of_steps_is_the_models_unless_asked_otherwise(
        tiny_policy, synthetic_observation):
    observation = synthetic_observation()
    assert tiny_policy.predict(observation, 0).num_denoising_steps == 3
    one = tiny_policy.predict(observation, 0, num_denoising_steps=1)
    two = tiny_policy.predict(observation, 0, num_denoising_steps=2)
    assert (one.num_denoising_steps, two.num_denoising_steps) == (1, 2)
    assert np.array_equal(one.chunk.positions, two.chunk.positions)


def test_zero_steps_are_refused_and_not_replaced(tiny_policy, synthetic_observation):
    with pytest.raises(ConfigurationError, match='0 denoising steps'):
        tiny_policy.predict(synthetic_observation(), 0, num_denoising_steps=0)


def test_images_joints_and_task_all_change_the_chunk(tiny_policy, synthetic_observation):
    def chunk(**fields):
        return tiny_policy.predict(synthetic_observation(**fields), 0).chunk.positions
    reference = chunk()
    dark = {name: np.zeros_like(image)
            for name, image in synthetic_observation().images.items()}
    for fields in ({'images': dark}, {'proprio': ALOHA.start_pose + 0.1},
                   {'task': 'insert the peg'}, {'seed': 1}):
        assert not np.array_equal(chunk(**fields), reference), fields
    assert np.array_equal(chunk(), reference)


def test_the_chunk_is_unnormalised_with_the_statistics(tiny_checkpoint, synthetic_observation):
    doubled = deepcopy(tiny_checkpoint.statistics)
    bounds = replace(doubled.actions, lower=ALOHA.lower * 2, upper=ALOHA.upper * 2)
    policy = CosmosPolicy(replace(
        tiny_checkpoint, statistics=replace(doubled, actions=bounds)))
    reference = CosmosPolicy(tiny_checkpoint).predict(synthetic_observation(), 0)
    prediction = policy.predict(synthetic_observation(), 0)
    np.testing.assert_allclose(prediction.chunk.positions, 2 * reference.chunk.positions)
    np.testing.assert_array_equal(prediction.future_proprio, reference.future_proprio)


def test_a_chunk_is_smoothed_if_the_configuration_says_so(
        tiny_patch_checkpoint, synthetic_observation):
    model = deepcopy(tiny_patch_checkpoint.model)
    model.config = replace(model.config, chunk_cutoff_hz=3.0)
    observation = synthetic_observation()
    rough, smooth = (CosmosPolicy(checkpoint).predict(observation, 0).chunk.positions
                     for checkpoint in (
                         tiny_patch_checkpoint, replace(tiny_patch_checkpoint, model=model)))
    np.testing.assert_allclose(smooth, smooth_chunks(
        rough, period_s=model.config.chunk_period_s, cutoff_hz=3.0))
    assert not np.allclose(smooth, rough)


def test_numbers_that_are_not_finite_are_refused(tiny_checkpoint, synthetic_observation):
    model = deepcopy(tiny_checkpoint.model)
    with torch.no_grad():
        model.transformer.final_layer.linear.weight[0, 0] = float('nan')
    policy = CosmosPolicy(replace(tiny_checkpoint, model=model))
    with pytest.raises(PredictionError, match='not finite'):
        policy.predict(synthetic_observation(), 0)


def test_the_installed_model_runs_and_says_that_it_is_trained(
        small_policy, synthetic_observation):
    assert small_policy.is_trained
    assert 'transfer the cube' in small_policy.known_tasks
    prediction = small_policy.predict(synthetic_observation(), 0)
    assert prediction.chunk.positions.shape == (50, 14)
    assert prediction.chunk.period_ns == 40_000_000


def test_the_installed_model_stays_near_what_it_was_shown_whatever_it_sees(
        small_policy, synthetic_observation):
    bounds = small_policy._statistics.actions
    for seed in range(3):
        chunk = small_policy.predict(synthetic_observation(seed), 0).chunk.positions
        assert np.abs(bounds.normalise(chunk)).max() < 1.6


def test_the_installed_model_answers_within_a_fraction_of_its_chunk(
        small_policy, synthetic_observation):
    observation = synthetic_observation()
    small_policy.predict(observation, 0)
    durations = []
    for seed in range(3):
        start = perf_counter()
        small_policy.predict(observation, seed, with_future_images=True)
        durations.append(perf_counter() - start)
    assert min(durations) < 1.0, 'a query must stay below half of the 2 s chunk'


def test_a_model_without_weights_is_refused_with_the_files_it_needs():
    with pytest.raises(CheckpointError, match='aloha_2b'):
        CosmosPolicy.load('aloha_2b')


def test_the_chunk_begins_with_the_committed_actions(tiny_policy, synthetic_observation):
    observation = synthetic_observation()
    committed = ALOHA.start_pose + np.linspace(0, 0.1, 3)[:, None]
    held = tiny_policy.predict(observation, 0, committed_actions=committed).chunk.positions
    free = tiny_policy.predict(observation, 0).chunk.positions
    np.testing.assert_allclose(held[:3], committed, atol=1e-5)
    assert not np.array_equal(held[3:], free[3:])
    planned = tiny_policy.predict(
        observation, 0, committed_actions=committed,
        planning=PlanningSettings(num_candidates=3, num_denoising_steps_future=1))
    for candidate in planned.plan.candidates:
        np.testing.assert_allclose(candidate.chunk[:3], committed, atol=1e-5)


@pytest.mark.parametrize('committed', [
    np.zeros((7, 14)), np.zeros((2, 13)), np.zeros(14), np.full((1, 14), np.nan)])
def test_committed_actions_that_do_not_fit_are_refused(
        tiny_policy, synthetic_observation, committed):
    with pytest.raises(ObservationError, match=r'committed.*\(0 to 6, 14\)'):
        tiny_policy.predict(synthetic_observation(), 0, committed_actions=committed)


def test_images_of_the_last_query_are_preprocessed_once(
        tiny_policy, synthetic_observation, monkeypatch):
    observation, other = synthetic_observation(), synthetic_observation(1)
    expected = tiny_policy.seen_images(observation)
    tiny_policy.predict(observation, 0)
    calls = []
    monkeypatch.setattr('cosmos_policy_ros.policy.cosmos_policy.preprocess_images',
                        lambda *args: calls.append(args) or preprocess_images(*args))
    for camera, image in tiny_policy.seen_images(observation).items():
        assert np.array_equal(image, expected[camera])
    assert not calls
    tiny_policy.seen_images(other)
    assert len(calls) == 1
