# SPDX-License-Identifier: Apache-2.0
"""Initial noise and noise levels against published numbers."""

import numpy as np
import pytest
import torch

from cosmos_policy_ros.diffusion.noise import sigma_grid, unit_noise

ALOHA_SHAPE = (16, 11, 28, 28)


@pytest.mark.parametrize('seed, first, last', [
    (195, [0.96968484, -1.8599659, -1.3648067, 0.60063183], 0.11816561),
    (196, [0.7187352, 1.7467946, -2.602218, 0.20603558], 0.18002272),
    (202, [-0.73587376, -0.86015314, -0.9232824, 0.23845312], 0.49371186)])
def test_the_noise_of_a_seed_is_the_published_one(seed, first, last):
    noise = unit_noise([seed], ALOHA_SHAPE).flatten()
    np.testing.assert_allclose(noise[:4], first, rtol=1e-6)
    assert noise[-1].item() == pytest.approx(last, rel=1e-6)


def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch():
    batch = unit_noise([3, 4, 5], (2, 3))
    assert torch.equal(batch[1:2], unit_noise([4], (2, 3)))
    assert batch.dtype == torch.float32 and batch.shape == (3, 2, 3)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    unit_noise([1], (5,))
    assert (torch.rand(1), np.random.rand()) == expected


@pytest.mark.parametrize('intervals, expected', [
    (2, [80, 20.9724, 4]), (4, [80, 42.2911, 20.9724, 9.6183, 4]),
    (9, [80, 60.6947, 45.5286, 33.7340, 24.6618, 17.7667, 12.5947, 8.7709, 5.9887, 4])])
def test_the_noise_levels_are_the_published_ones(intervals, expected):
    np.testing.assert_allclose(sigma_grid(intervals, 80.0, 4.0), expected, rtol=1e-5)
