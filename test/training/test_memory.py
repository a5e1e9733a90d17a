# SPDX-License-Identifier: Apache-2.0
"""Memory of a training step, told without taking it."""

from dataclasses import replace

import pytest
import torch

from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.diffusion.config import load_config
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.memory import activation_bytes, step_memory
from cosmos_policy_ros.training.settings import BatchSettings


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_what_is_told_of_activations_is_what_a_real_pass_keeps(small_config, dtype):
    config = replace(small_config, image_size_px=64, transformer=replace(
        small_config.transformer, width=192, mlp_ratio=4.0))
    real = activation_bytes(untrained_model(config, 0).to(dtype), 'cpu')
    with torch.device('meta'):
        model = CosmosModel(config).to(dtype)
    assert activation_bytes(model, 'meta') == pytest.approx(real, rel=0.15)


def test_weights_gradients_and_means_are_counted_once_or_shared(small_config):
    count = sum(parameter.numel() for parameter in untrained_model(small_config, 0).parameters())
    alone = step_memory(small_config, BatchSettings(batch_size=8))
    assert (alone.weights, alone.gradients, alone.optimiser) == (4 * count, 4 * count, 8 * count)
    shared = step_memory(small_config, BatchSettings(batch_size=8), num_processes=4,
                         is_sharded=True)
    assert shared.optimiser == 2 * count and shared.activations == alone.activations / 4


def test_recomputed_blocks_keep_a_fraction(small_config):
    plain, recomputed = (step_memory(small_config, BatchSettings(recompute=recompute))
                         for recompute in (False, True))
    assert recomputed.activations < 0.5 * plain.activations


def test_the_2b_model_is_told_in_a_moment():
    config = load_config(find_checkpoint('aloha_2b') / 'config.json')
    memory = step_memory(config, BatchSettings(batch_size=8, precision='bfloat16'),
                         num_processes=8, is_sharded=True)
    assert 15e9 < memory.total < 60e9
