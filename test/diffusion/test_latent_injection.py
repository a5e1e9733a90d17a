# SPDX-License-Identifier: Apache-2.0
"""Latent injection: what is written is read back, and nothing else changes."""

from hypothesis import given, settings, strategies as st
import pytest
import torch

from cosmos_policy_ros.diffusion.latent_injection import (
    extract_value, extract_vector, inject_value, inject_vector, tile_vector, value_from_latent)


@settings(max_examples=50, deadline=None)
@given(length=st.integers(1, 64), frame=st.integers(0, 4), batch=st.integers(1, 3),
       seed=st.integers(0, 99))
def test_extraction_undoes_injection(length, frame, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(batch, 4, 5, 4, 4, generator=generator)
    vectors = torch.randn(batch, length, generator=generator)
    injected = inject_vector(latents, vectors, frame)
    torch.testing.assert_close(extract_vector(injected, frame, length), vectors)


def test_injection_returns_a_new_tensor_and_leaves_other_frames_alone():
    latents = torch.randn(2, 4, 5, 4, 4)
    before = latents.clone()
    injected = inject_vector(latents, torch.ones(2, 7), 3)
    assert torch.equal(latents, before)
    others = [0, 1, 2, 4]
    assert torch.equal(injected[:, :, others], before[:, :, others])


def test_each_sample_may_have_its_own_frame():
    latents = torch.zeros(2, 1, 3, 1, 2)
    injected = inject_value(latents, torch.tensor([5.0, 7.0]), torch.tensor([2, 0]))
    assert injected[:, 0, :, 0, 0].tolist() == [[0, 0, 5], [7, 0, 0]]


def test_the_last_copy_is_cut_off_and_not_read():
    frame = tile_vector(torch.tensor([[1.0, 2.0, 3.0]]), (1, 2, 4))
    assert frame.flatten().tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    frame[0, 0, 1, 2:] = 100.0
    assert extract_vector(frame[:, :, None], 0, 3).tolist() == [[1, 2, 3]]


def test_extraction_averages_the_copies():
    latents = torch.tensor([1.0, 10.0, 3.0, 30.0]).view(1, 1, 1, 2, 2)
    assert extract_vector(latents, 0, 2).tolist() == [[2.0, 20.0]]
    assert extract_value(latents, 0).item() == 11.0


@pytest.mark.parametrize('latent, value', [(-3.0, 0.0), (-1.0, 0.0), (0.0, 0.5), (2.0, 1.0)])
def test_a_value_is_mapped_to_the_unit_interval_and_clipped(latent, value):
    assert value_from_latent(torch.tensor(latent)).item() == value
