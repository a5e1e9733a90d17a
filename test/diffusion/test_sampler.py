# SPDX-License-Identifier: Apache-2.0
"""The sampler on denoisers whose answer is known."""

import math

import pytest
import torch

from cosmos_policy_ros.diffusion.sampler import call_sigmas, holding, sample
from cosmos_policy_ros.errors import ConfigurationError

RANGE = {'sigma_max': 80.0, 'sigma_min': 4.0}


def gaussian_denoiser(mean, std):
    """Exact denoiser of a normal distribution."""
    return lambda x, sigma: mean + (x - mean) * std**2 / (sigma**2 + std**2)


def gaussian_solution(noise, mean, std):
    """End of the exact flow of that distribution, denoised at sigma_min."""
    shrink = math.sqrt((RANGE['sigma_min']**2 + std**2) / (RANGE['sigma_max']**2 + std**2))
    state = mean + (RANGE['sigma_max'] * noise - mean) * shrink
    return gaussian_denoiser(mean, std)(state, RANGE['sigma_min'])


def error_with(num_steps, noise, mean=0.7, std=3.0):
    """Largest distance from the closed form."""
    result = sample(gaussian_denoiser(mean, std), noise, num_steps=num_steps, **RANGE)
    return (result - gaussian_solution(noise, mean, std)).abs().max().item()


def test_many_steps_on_a_gaussian_meet_the_closed_form():
    assert error_with(400, torch.randn(100)) < 1e-4


def test_the_error_falls_with_the_square_of_the_number_of_steps():
    noise = torch.linspace(-2, 2, 41, dtype=torch.float64)
    assert error_with(20, noise) / error_with(40, noise) == pytest.approx(4, rel=0.35)


def test_a_constant_denoiser_is_returned_at_every_number_of_steps():
    answer = torch.randn(3, 4)
    for num_steps in (1, 2, 3, 7):
        result = sample(lambda x, sigma: answer, torch.randn(3, 4), num_steps=num_steps, **RANGE)
        assert torch.equal(result, answer)


@pytest.mark.parametrize('num_steps, calls', [(1, 1), (2, 1), (3, 3), (5, 5), (10, 10)])
def test_the_denoiser_is_called_once_per_step_except_that_two_is_one(num_steps, calls):
    sigmas = []

    def denoiser(x, sigma):
        assert x.dtype == torch.float32
        sigmas.append(sigma)
        return x * 0

    sample(denoiser, torch.randn(2), num_steps=num_steps, **RANGE)
    assert sigmas == call_sigmas(num_steps, **RANGE)
    assert len(sigmas) == calls and sigmas[0] == 80.0


@pytest.mark.parametrize('call, weights', [
    (1, (0.528639, 0.471361, 0.0)), (2, (0.495907, 0.813568, -0.309474)),
    (4, (0.415876, 0.960296, -0.376172))])
def test_five_steps_use_the_published_weights(call, weights):
    states, answers = [], [torch.tensor([2.0**i]) for i in range(5)]

    def denoiser(x, sigma):
        states.append(x)
        return answers[len(states) - 1]

    sample(denoiser, torch.ones(1), num_steps=5, **RANGE)
    parts = (states[call - 1], answers[call - 1], answers[max(call - 2, 0)])
    expected = sum(weight * part.item() for weight, part in zip(weights, parts))
    assert states[call].item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize('num_steps', [0, -1, 2.5])
def test_an_impossible_number_of_steps_is_refused(num_steps):
    with pytest.raises(ConfigurationError, match=f'{num_steps} denoising steps'):
        sample(lambda x, sigma: x, torch.ones(1), num_steps=num_steps, **RANGE)


def smooth_covariance(length, std=3.0, reach=4.0):
    """Covariance of a smooth random course."""
    steps = torch.arange(length, dtype=torch.float64)
    return std**2 * torch.exp(-((steps[:, None] - steps) / reach)**2 / 2)


def smooth_denoiser(covariance):
    """Exact denoiser of such courses."""
    def denoise(x, sigma):
        noisy = covariance + sigma**2 * torch.eye(len(covariance), dtype=torch.float64)
        return (covariance @ torch.linalg.solve(noisy, x.double())).float()
    return denoise


def held_samples(denoiser, known, mask, *, num_samples=200, num_steps=20):
    """Samples that keep the known part, (N, L)."""
    torch.manual_seed(0)
    samples = []
    for noise in torch.randn(num_samples, len(known)):
        held, moved = holding(
            denoiser, noise, known=known, mask=mask, sigma_max=RANGE['sigma_max'])
        samples.append(sample(held, moved, num_steps=num_steps, **RANGE))
    return torch.stack(samples)


def test_what_is_known_is_kept_to_the_bit_and_noised_to_the_level_of_every_call():
    known, mask = torch.tensor([2.0, -1.0, 9.0]), torch.tensor([True, True, False])
    noise, seen = torch.randn(3), []

    def denoiser(x, sigma):
        seen.append((x, sigma))
        return 0.5 * x

    held, moved = holding(denoiser, noise, known=known, mask=mask, sigma_max=RANGE['sigma_max'])
    result = sample(held, moved, num_steps=7, **RANGE)
    assert torch.equal(result[mask], known[mask])
    assert len(seen) == 7
    for x, sigma in seen:
        torch.testing.assert_close(x[mask], (known + sigma * noise)[mask])


def test_nothing_known_changes_nothing():
    noise, mask = torch.randn(5), torch.zeros(5, dtype=torch.bool)
    denoiser = gaussian_denoiser(0.7, 3.0)
    held, moved = holding(
        denoiser, noise, known=torch.randn(5), mask=mask, sigma_max=RANGE['sigma_max'])
    assert torch.equal(sample(held, moved, num_steps=5, **RANGE),
                       sample(denoiser, noise, num_steps=5, **RANGE))


def test_what_is_known_draws_its_neighbours_to_itself_and_leaves_the_far_end_alone():
    covariance, length, num_known = smooth_covariance(30), 30, 8
    known = torch.full((length,), 6.0)
    mask = torch.arange(length) < num_known
    denoiser = smooth_denoiser(covariance)
    held = held_samples(denoiser, known, mask).mean(dim=0)
    free = held_samples(denoiser, known, torch.zeros_like(mask)).mean(dim=0)
    # Seen through the last noise level, the known part draws with less than its full weight.
    given, wanted = covariance[:num_known, :num_known], covariance[num_known, :num_known]
    exact = wanted @ torch.linalg.solve(
        given + 1e-6 * torch.eye(num_known), known[:num_known].double())
    assert free[num_known].abs() < 1.0 and 2.0 < held[num_known] < exact
    assert held[-5:].abs().max() < 1.0
