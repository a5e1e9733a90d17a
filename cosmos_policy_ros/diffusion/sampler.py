# SPDX-License-Identifier: Apache-2.0
"""Second-order multistep solver over any denoiser."""

from __future__ import annotations

from collections.abc import Callable
import math

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.noise import sigma_grid
from cosmos_policy_ros.errors import ConfigurationError

Denoiser = Callable[[Tensor, float], Tensor]
"""Noisy state in float32 and its noise level in, prediction of the clean state out."""


def call_sigmas(num_steps: int, sigma_max: float, sigma_min: float) -> list[float]:
    """Noise levels at which the denoiser is called for a number of denoising steps.

    One and two steps are the same: a single call at sigma_max.

    Raises:
        ConfigurationError: If num_steps is not a positive integer.
    """
    if num_steps != int(num_steps) or num_steps < 1:
        raise ConfigurationError(f'{num_steps} denoising steps; at least 1 is required')
    if num_steps <= 2:
        return [sigma_max]
    return sigma_grid(int(num_steps) - 1, sigma_max, sigma_min).tolist()


def sample(
    denoiser: Denoiser, noise: Tensor, *, num_steps: int, sigma_max: float, sigma_min: float,
) -> Tensor:
    """Denoise from sigma_max to sigma_min and return the last prediction of the clean state.

    Args:
        denoiser: The denoiser; called `len(call_sigmas(...))` times.
        noise: Unit noise, of any shape.
        num_steps: Denoising steps.
        sigma_max: First noise level.
        sigma_min: Last noise level.

    Returns:
        Prediction at the last noise level, float32, shaped as `noise`.
    """
    sigmas = call_sigmas(num_steps, sigma_max, sigma_min)
    state = noise.to(torch.float64) * sigma_max
    previous, previous_sigma = None, math.nan
    for sigma, next_sigma in zip(sigmas, sigmas[1:]):
        prediction = denoiser(state.float(), sigma).double()
        if previous is None:
            state = next_sigma / sigma * state + (1 - next_sigma / sigma) * prediction
        else:
            a, b1, b2 = _multistep_weights(sigma, next_sigma, previous_sigma)
            state = a * state + b1 * prediction + b2 * previous
        previous, previous_sigma = prediction, sigma
    return denoiser(state.float(), sigmas[-1]).float()


def holding(
    denoiser: Denoiser, noise: Tensor, *, known: Tensor, mask: Tensor, sigma_max: float,
) -> tuple[Denoiser, Tensor]:
    """Return denoiser and noise with which `sample` keeps what is known of the clean state.

    The known part takes the place of its own prediction, and the noise is moved so that the first
    state is the known part noised. Both together keep it noised to exactly the present level, with
    its own noise, at every call: with a constant prediction every step of the solver only shrinks
    the noise. Noising it anew at each level instead would add noise to a deterministic solver, and
    its memory of the last prediction would be of another state.

    Args:
        denoiser: The denoiser.
        noise: Unit noise, of any shape.
        known: The known values; anything elsewhere. Broadcasts with `noise`.
        mask: True where they are known. Broadcasts with `noise`.
        sigma_max: First noise level.
    """
    def held(state: Tensor, sigma: float) -> Tensor:
        return torch.where(mask, known, denoiser(state, sigma))

    return held, torch.where(mask, noise + known / sigma_max, noise)


def _multistep_weights(s: float, t: float, s1: float) -> tuple[float, float, float]:
    """Weights of state, prediction and previous prediction in a step from level s to t after s1.

    Exponential Adams-Bashforth of order two in log-sigma.
    """
    h = math.log(s / t)
    r = math.log(s / s1) / h
    phi1 = -math.expm1(-h) / h
    phi2 = (phi1 - 1) / -h
    b2 = phi2 / r
    return math.exp(-h), h * (phi1 - b2), h * b2
