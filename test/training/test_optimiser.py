# SPDX-License-Identifier: Apache-2.0
"""Optimisers and the learning rate."""

from hypothesis import given, strategies as st
import pytest
import torch
from torch import nn

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.optimiser import (
    build_optimisers, learning_rate_factor, Muon, orthogonalised)
from cosmos_policy_ros.training.settings import OptimiserSettings


@pytest.mark.parametrize(('step', 'rate'), [
    (0, 1e-10), (1000, 5.0e-5), (2000, 1e-4), (10000, 6.889e-5), (20000, 3e-5), (20001, 6e-6)])
def test_published_learning_rates(step, rate):
    settings = OptimiserSettings()
    assert settings.learning_rate * learning_rate_factor(step, 0.5, settings) == pytest.approx(
        rate, rel=1e-3)


@given(progress=st.floats(0, 1), flat=st.floats(0, 0.9))
def test_the_linear_schedule_ends_at_zero_and_never_rises(progress, flat):
    settings = OptimiserSettings(schedule='linear', flat_share=flat, warmup_steps=10)
    factor = learning_rate_factor(100, progress, settings)
    assert 0 <= factor <= 1
    assert progress > flat or factor == 1
    assert learning_rate_factor(100, 1.0, settings) == 0
    assert learning_rate_factor(5, 0.0, settings) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize('shape', [(8, 8), (4, 16), (16, 4)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_loses_its_lengths(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    lengths = torch.diag(left.T @ orthogonalised(matrix) @ right.T)
    assert (lengths > 0.6).all() and (lengths < 1.3).all()


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_is_left_out(small_config):
    transformer = untrained_model(small_config, 0).transformer
    others, muon = build_optimisers(transformer, OptimiserSettings(optimiser='muon'))
    assert isinstance(muon, Muon)
    matrices = {id(parameter) for group in muon.param_groups for parameter in group['params']}
    assert matrices == {id(parameter) for parameter in transformer.blocks.parameters()
                        if parameter.ndim == 2}
    rest = {id(parameter) for group in others.param_groups for parameter in group['params']}
    assert rest | matrices == {id(parameter) for parameter in transformer.parameters()}


def test_muon_finds_the_minimum_of_a_bowl():
    weight = nn.Parameter(torch.zeros(4, 6))
    target = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    muon = Muon([weight], learning_rate=0.05, momentum=0.9, weight_decay=0.0)
    for _ in range(300):
        weight.grad = weight.detach() - target
        muon.step()
    assert (weight - target).abs().max() < 0.1


@pytest.mark.parametrize('settings', [
    {'optimiser': 'sgd'}, {'schedule': 'cosine'}, {'learning_rate': 0.0}, {'beta1': 1.0},
    {'warmup_steps': 0}, {'decay_steps': 100}, {'max_gradient_norm': float('nan')}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        OptimiserSettings(**settings)
