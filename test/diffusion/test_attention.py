# SPDX-License-Identifier: Apache-2.0
"""Attention, rotary embedding and RMS norm as laws."""

import math

import pytest
import torch

from cosmos_policy_ros.diffusion.attention import (
    apply_rope, attend, rms_norm, rope_angles, rope_rotation)


def rotate(x, grid, head_dim):
    """Rotate heads by their position in the grid."""
    return apply_rope(x, rope_rotation(rope_angles(grid, head_dim, (1.0, 3.0, 3.0))))


def test_the_real_head_is_split_into_44_42_42_channels():
    angles = rope_angles((2, 2, 2), 128, (1.0, 3.0, 3.0))
    assert angles.shape == (8, 64)
    assert torch.equal(angles[1, :43], torch.zeros(43)) and angles[1, 43] == 1.0
    assert torch.equal(angles[4, 22:], torch.zeros(42)) and angles[4, 0] == 1.0
    assert angles[2, 23].item() == pytest.approx((10000 * 3**(42 / 40))**(-2 / 42))


def test_rotation_keeps_lengths():
    x = torch.randn(1, 12, 2, 24)
    torch.testing.assert_close(rotate(x, (2, 2, 3), 24).norm(dim=-1), x.norm(dim=-1))


def test_scores_depend_on_relative_position_only():
    q, k = torch.randn(24), torch.randn(24)
    rotated_q, rotated_k = (rotate(x.expand(1, 8, 1, 24), (8, 1, 1), 24)[0, :, 0]
                            for x in (q, k))
    scores = rotated_q @ rotated_k.T
    torch.testing.assert_close(scores.diagonal(2), scores[0, 2].expand(6))


def test_rotation_pairs_halves_of_a_head():
    x = torch.zeros(1, 2, 1, 24)
    x[..., 0] = 1.0
    rotated = rotate(x, (2, 1, 1), 24)[0, 1, 0]
    assert rotated.nonzero().flatten().tolist() == [0, 12]
    assert rotated[0].item() == pytest.approx(math.cos(1))


def test_attention_equals_its_formula_and_shares_keys_over_the_batch():
    q, k, v = torch.randn(2, 5, 3, 4), torch.randn(1, 7, 3, 4), torch.randn(1, 7, 3, 4)
    weights = torch.einsum('blnd,bmnd->bnlm', q, k.expand(2, -1, -1, -1)).div(2).softmax(-1)
    expected = torch.einsum('bnlm,bmnd->blnd', weights, v.expand(2, -1, -1, -1)).flatten(2)
    torch.testing.assert_close(attend(q, k, v), expected)


def test_a_padded_text_position_takes_part_with_weight():
    keys, values = torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4)
    values[0, 0] = 1.0
    assert attend(torch.randn(1, 1, 1, 4), keys, values).tolist() == [[[0.5] * 4]]


def test_rms_norm_gives_unit_mean_square_times_weight():
    x = torch.randn(10, 32) * 7
    weight = torch.rand(32) + 0.5
    normalised = rms_norm(x, weight)
    torch.testing.assert_close((normalised / weight).square().mean(-1), torch.ones(10))
    assert torch.equal(rms_norm(torch.zeros(32), weight), torch.zeros(32))


def test_half_precision_is_normalised_in_single_precision():
    x = torch.full((8,), 300.0, dtype=torch.float16)
    assert torch.equal(rms_norm(x, torch.ones(8)), torch.ones(8, dtype=torch.float16))
