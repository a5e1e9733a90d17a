# SPDX-License-Identifier: Apache-2.0
"""Cosmos Policy in direct mode."""

from copy import deepcopy
from dataclasses import replace
from time import perf_counter

from contracts.policy_contract import PolicyContract
import numpy as np
import pytest
import torch

from cosmos_policy_ros.errors import CheckpointError, ConfigurationError, PredictionError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
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


def test_numbers_that_are_not_finite_are_refused(tiny_checkpoint, synthetic_observation):
    model = deepcopy(tiny_checkpoint.model)
    with torch.no_grad():
        model.transformer.final_layer.linear.weight[0, 0] = float('nan')
    policy = CosmosPolicy(replace(tiny_checkpoint, model=model))
    with pytest.raises(PredictionError, match='not finite'):
        policy.predict(synthetic_observation(), 0)


def test_the_installed_model_runs_and_says_that_it_is_untrained(
        small_policy, synthetic_observation):
    assert not small_policy.is_trained
    assert 'transfer the cube' in small_policy.known_tasks
    prediction = small_policy.predict(synthetic_observation(), 0)
    assert prediction.chunk.positions.shape == (50, 14)
    assert prediction.chunk.period_ns == 40_000_000


def test_the_installed_model_stays_near_the_start_pose(small_policy, synthetic_observation):
    chunk = small_policy.predict(synthetic_observation(), 0).chunk.positions
    arms = np.delete(np.arange(14), ALOHA.gripper_indices)
    assert np.abs(chunk - ALOHA.start_pose)[:, arms].max() < 0.6
    assert ((chunk > ALOHA.lower) & (chunk < ALOHA.upper))[:, arms].all()


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
