# SPDX-License-Identifier: Apache-2.0
"""What a network's output means, and where its tokens are: choices of the configuration."""

from dataclasses import replace

import pytest
import torch

from cosmos_policy_ros.diffusion.config import load_config, save_config
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.preconditioning import clean_prediction
from cosmos_policy_ros.diffusion.text_embedding import drawn_embedding
from cosmos_policy_ros.errors import ConfigurationError


def test_a_clean_prediction_is_the_output_and_clean_frames_stay():
    output, noisy, clean = (torch.randn(1, 2, 3, 4, 4) for _ in range(3))
    mask = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1)
    result = clean_prediction(output, noisy, clean, mask, 0.8, 'clean')
    assert torch.equal(result[:, :, 0], clean[:, :, 0])
    assert torch.equal(result[:, :, 1:], output[:, :, 1:])


def test_both_kinds_make_the_same_prediction_of_outputs_that_mean_the_same():
    noisy, clean = torch.randn(1, 2, 3, 4, 4), torch.zeros(1, 2, 3, 4, 4)
    mask, time = torch.zeros(1, 1, 3, 1, 1), 0.8
    denoised = torch.randn_like(noisy)
    velocity = ((1 - time) * noisy - denoised) / time
    torch.testing.assert_close(
        clean_prediction(velocity, noisy, clean, mask, time),
        clean_prediction(denoised, noisy, clean, mask, time, 'clean'))


def test_a_configuration_keeps_both_choices_and_refuses_others(tmp_path, tiny_patch_config):
    config = replace(tiny_patch_config, prediction='clean', transformer=replace(
        tiny_patch_config.transformer, learned_positions=True))
    save_config(tmp_path / 'config.json', config)
    assert load_config(tmp_path / 'config.json') == config
    with pytest.raises(ConfigurationError, match="prediction is 'noise'"):
        replace(config, prediction='noise')


def test_learned_positions_are_one_embedding_per_patch_of_each_frame(tiny_patch_config):
    config = replace(tiny_patch_config, transformer=replace(
        tiny_patch_config.transformer, learned_positions=True))
    positions = CosmosModel(config).transformer.positions
    assert positions.shape == (11, 4, config.transformer.width)
    assert 'transformer.positions' not in CosmosModel(tiny_patch_config).state_dict()


def test_a_drawn_embedding_is_that_of_its_text():
    one, again, other = (drawn_embedding(task, num_tokens=3, text_dim=5)
                         for task in ('lift', 'lift', 'fold'))
    assert one.shape == (3, 5) and torch.equal(one, again) and not torch.equal(one, other)
