# SPDX-License-Identifier: Apache-2.0
"""Counted operations against their formula, and the figures of the networks."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from cosmos_policy_ros.cli.benchmarks.network import (
    denoiser_call, forward_flops, matmul_ceiling, measure_network)
from cosmos_policy_ros.cli.benchmarks.stopwatch import Stopwatch
from cosmos_policy_ros.diffusion.acceleration import accelerate, Acceleration
from cosmos_policy_ros.diffusion.config import load_config

MODELS = Path(__file__).parents[3] / 'models'


def watch():
    """Time a call once."""
    return Stopwatch(torch.device('cpu'), 1)


def test_the_operations_of_the_2b_model_are_those_of_its_matrix_products():
    tokens, text_tokens, width = 11 * 14 * 14, 512, 2048
    linear = tokens * width * (4 * width + 2 * width + 8 * width)
    attention = 2 * tokens * width * (tokens + text_tokens)
    ends = tokens * width * (72 + 64)
    expected = 2 * (28 * (linear + attention) + ends)
    counted = forward_flops(load_config(MODELS / 'aloha_2b' / 'config.json'))
    assert counted == expected
    assert counted / 1e12 == pytest.approx(8.41, abs=0.01)


def test_a_network_computes_slower_than_the_ceiling(tiny_patch_checkpoint):
    model = tiny_patch_checkpoint.model
    duration_s = min(Stopwatch(torch.device('cpu'), 5).samples_ms(denoiser_call(model, 1))) * 1e-3
    ceiling = matmul_ceiling(watch(), torch.float32)
    assert 0 < forward_flops(model.config) / duration_s < ceiling


def test_every_part_of_an_accelerated_model_has_its_figures(tiny_patch_checkpoint):
    model = deepcopy(tiny_patch_checkpoint.model)
    accelerate(model, Acceleration(fuse_projections=True))
    figures = {figure.name: figure for figure in measure_network(model, watch(), 'tiny', 1.0)}
    for part in ('encode', 'decode', 'denoiser call, batch 8'):
        assert figures[f'tiny, {part}, median'].value > 0
    assert 0 <= figures['tiny, largest difference from the plain model'].value < 1e-5
    one, eight = (figures[f'tiny, share of that in a forward, batch {batch}'].value
                  for batch in (1, 8))
    eight_ms = figures['tiny, denoiser call, batch 8, median'].value
    assert eight / one == pytest.approx(8 / eight_ms)
