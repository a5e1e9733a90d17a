# SPDX-License-Identifier: Apache-2.0
"""Rectified-flow preconditioning as laws."""

from hypothesis import given, strategies as st
import pytest
import torch

from cosmos_policy_ros.diffusion.preconditioning import (
    clean_prediction, network_input, time_from_sigma)

NOISY = torch.zeros(1, 1, 2, 1, 1)


@given(sigma=st.floats(0.01, 300))
def test_the_velocity_recovers_the_clean_sequence_exactly(sigma):
    x0, noise = torch.tensor([[[[[0.3]], [[-1.2]]]]]), torch.tensor([[[[[0.7]], [[2.0]]]]])
    time, mask = time_from_sigma(sigma), torch.zeros_like(x0)
    prediction = clean_prediction(noise - x0, x0 + sigma * noise, x0, mask, time)
    torch.testing.assert_close(prediction, x0, atol=1e-4, rtol=0)


@given(sigma=st.floats(0.01, 300))
def test_the_network_sees_the_straight_line_between_data_and_noise(sigma):
    x0, noise = torch.full_like(NOISY, 0.3), torch.full_like(NOISY, -0.8)
    time = time_from_sigma(sigma)
    seen = network_input(x0 + sigma * noise, x0, torch.zeros_like(x0), time)
    torch.testing.assert_close(seen, (1 - time) * x0 + time * noise)


def test_clean_frames_enter_and_leave_unchanged_whatever_the_noise():
    clean = torch.tensor([5.0, 6.0]).view(1, 1, 2, 1, 1)
    mask = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1)
    noisy = torch.full_like(clean, float('nan'))
    assert network_input(noisy, clean, mask, 0.9)[0, 0, 0].item() == 5.0
    assert clean_prediction(noisy, noisy, clean, mask, 0.9)[0, 0, 0].item() == 5.0


@pytest.mark.parametrize('sigma, time', [(80.0, 80 / 81), (4.0, 0.8), (0.0, 0.0)])
def test_time_of_a_noise_level(sigma, time):
    assert time_from_sigma(sigma) == pytest.approx(time)
