# SPDX-License-Identifier: Apache-2.0
"""A planning checkpoint must fit the policy's; every difference is named."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from cosmos_policy_ros.diffusion.text_embedding import TextEmbeddings
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.policy.planning_checkpoint import share_autoencoder


@pytest.fixture
def planning(tiny_checkpoint):
    """A copy that may be changed."""
    return replace(tiny_checkpoint, name='planner', model=deepcopy(tiny_checkpoint.model))


def test_an_equal_checkpoint_fits_and_shares_the_autoencoder(tiny_checkpoint, planning):
    transformer = planning.model.transformer
    assert planning.model.autoencoder is not tiny_checkpoint.model.autoencoder
    share_autoencoder(tiny_checkpoint, planning)
    assert planning.model.autoencoder is tiny_checkpoint.model.autoencoder
    assert planning.model.transformer is transformer is not tiny_checkpoint.model.transformer


def test_sizes_noise_and_steps_of_the_transformer_may_differ(tiny_checkpoint, planning):
    config = planning.model.config
    planning.model.config = replace(
        config, num_denoising_steps=7, trained_values=('v_next',),
        transformer=replace(config.transformer, num_blocks=9))
    share_autoencoder(tiny_checkpoint, planning)


@pytest.mark.parametrize('field, value', [
    ('layout', 'robocasa'), ('image_size_px', 64), ('camera_resize_px', 256),
    ('jpeg_round_trip', True), ('chunk_size', 7), ('chunk_period_s', 0.1), ('action_dim', 7),
    ('proprio_dim', 9), ('text_tokens', 4)])
def test_another_configuration_is_refused_with_both_values(
        tiny_checkpoint, planning, field, value):
    config = tiny_checkpoint.model.config
    planning.model.config = replace(config, **{field: value})
    with pytest.raises(CheckpointError) as caught:
        share_autoencoder(tiny_checkpoint, planning)
    for text in ("'planner'", "'tiny'", field, str(value), str(getattr(config, field))):
        assert text in str(caught.value)


def test_another_kind_of_autoencoder_is_refused(tiny_checkpoint, tiny_patch_checkpoint):
    with pytest.raises(CheckpointError, match='autoencoder is'):
        share_autoencoder(tiny_checkpoint, tiny_patch_checkpoint)


def test_other_weights_of_the_autoencoder_are_refused(tiny_checkpoint, planning):
    with torch.no_grad():
        next(planning.model.autoencoder.parameters()).add_(1e-3)
    with pytest.raises(CheckpointError, match=r'weights autoencoder\..* differ'):
        share_autoencoder(tiny_checkpoint, planning)


@pytest.mark.parametrize('name', ['actions', 'proprio'])
@pytest.mark.parametrize('bound', ['lower', 'upper'])
def test_other_statistics_are_refused_with_the_dimension(tiny_checkpoint, planning, name, bound):
    bounds = getattr(planning.statistics, name)
    changed = getattr(bounds, bound) + np.eye(14)[3] * 0.01
    statistics = replace(planning.statistics, **{name: replace(bounds, **{bound: changed})})
    with pytest.raises(CheckpointError, match=f'{name} statistics: {bound} bound of dimension 3'):
        share_autoencoder(tiny_checkpoint, replace(planning, statistics=statistics))


def test_a_task_that_it_does_not_know_is_refused_and_one_more_is_not(tiny_checkpoint, planning):
    known = dict(planning.text_embeddings.by_task)
    more = {**known, 'fold shirt': torch.zeros(3, 12)}
    share_autoencoder(
        tiny_checkpoint, replace(planning, text_embeddings=TextEmbeddings(by_task=more)))
    del more['insert the peg']
    with pytest.raises(CheckpointError, match="does not know the task 'insert the peg'"):
        share_autoencoder(
            tiny_checkpoint, replace(planning, text_embeddings=TextEmbeddings(by_task=more)))


def test_another_text_embedding_of_a_task_is_refused(tiny_checkpoint, planning):
    by_task = {task: embedding + 1.0
               for task, embedding in planning.text_embeddings.by_task.items()}
    with pytest.raises(CheckpointError, match="text embeddings of the task .* differ"):
        share_autoencoder(
            tiny_checkpoint, replace(planning, text_embeddings=TextEmbeddings(by_task=by_task)))
