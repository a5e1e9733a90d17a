# SPDX-License-Identifier: Apache-2.0
"""Passes in batches: every sample is drawn once, with its own parent, seed and steps."""

from hypothesis import given, strategies as st
import pytest
import torch

from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.policy.network_pass import (
    in_order, Network, network_evaluations, NetworkPass)

STEPS = st.lists(st.integers(1, 6), min_size=1, max_size=20)


def one_pass(steps, parents=None):
    """Make a pass with these steps, seeds from 0 on."""
    return NetworkPass(
        stage='values', role=NetworkRole.STATE_VALUE, seeds=tuple(range(len(steps))),
        parents=tuple(parents or [0] * len(steps)), num_steps=tuple(steps))


@given(steps=STEPS, max_batch=st.integers(1, 8))
def test_every_sample_is_in_one_batch_of_samples_that_cost_the_same(steps, max_batch):
    batches = one_pass(steps).batches(max_batch)
    assert sorted(index for batch in batches for index in batch.samples) == list(
        range(len(steps)))
    for batch in batches:
        assert len(batch.samples) <= max_batch
        assert {network_evaluations(steps[index]) for index in batch.samples} == {
            batch.num_evaluations}


def test_one_and_two_steps_are_drawn_together():
    batch, = one_pass([1, 2, 1]).batches(8)
    assert (batch.samples, batch.num_evaluations) == ((0, 1, 2), 1)


@given(steps=STEPS, max_batch=st.integers(1, 8))
def test_samples_come_back_in_the_order_of_the_pass(steps, max_batch):
    batches = one_pass(steps).batches(max_batch)
    drawn = [torch.tensor(batch.samples) for batch in batches]
    assert in_order(batches, drawn).tolist() == list(range(len(steps)))


@pytest.mark.parametrize('max_batch', [1, 3, 16])
def test_a_batch_draws_what_single_samples_are(tiny_patch_checkpoint, max_batch):
    model = tiny_patch_checkpoint.model
    network = Network(model=model, text=model.encode_text(
        tiny_patch_checkpoint.text_embeddings.embedding('insert the peg')))
    latents = torch.randn(2, *model.sequence_shape, generator=torch.Generator().manual_seed(0))
    wanted = one_pass([1, 3, 2, 3, 1], parents=[0, 0, 1, 1, 1])
    batches = wanted.batches(max_batch)
    drawn = in_order(batches, [wanted.draw(network, latents, batch) for batch in batches])
    for index, (parent, steps) in enumerate(zip(wanted.parents, wanted.num_steps)):
        single = model.sample(latents[parent:parent + 1], role=wanted.role, text=network.text,
                              seeds=[index], num_steps=steps)
        torch.testing.assert_close(drawn[index:index + 1], single, atol=1e-4, rtol=1e-4)
