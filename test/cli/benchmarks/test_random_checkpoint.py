# SPDX-License-Identifier: Apache-2.0
"""Models of a known size with random weights."""

from types import SimpleNamespace

import pytest
import torch

from cosmos_policy_ros.cli.benchmarks import random_checkpoint as module
from cosmos_policy_ros.cli.benchmarks.random_checkpoint import random_checkpoint
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy

CPU = torch.device('cpu')


@pytest.fixture
def free_memory(monkeypatch):
    """Set the memory that seems free."""
    def set_free(free):
        monkeypatch.setattr(module.psutil, 'virtual_memory',
                            lambda: SimpleNamespace(available=free))
    return set_free


def test_a_random_model_answers_with_finite_numbers(synthetic_observation):
    policy = CosmosPolicy(random_checkpoint('aloha_small', CPU))
    task, = policy.known_tasks
    assert policy.predict(synthetic_observation(task=task), 0).chunk.positions.shape == (50, 14)
    assert not policy.is_trained


@pytest.mark.parametrize('dtype, needed', [('float32', '10.0'), ('bfloat16', '5.9')])
def test_the_2b_model_is_refused_where_it_does_not_fit(free_memory, monkeypatch, dtype, needed):
    free_memory(5_000_000_000)
    monkeypatch.setattr(module, 'default_dtype', lambda _: getattr(torch, dtype))
    with pytest.raises(ConfigurationError, match=f'{dtype} needs {needed} GB on cpu.*5.0 GB'):
        random_checkpoint('aloha_2b', CPU)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match='aloha_2b.*no_such_model'):
        random_checkpoint('no_such_model', CPU)
