# SPDX-License-Identifier: Apache-2.0
"""Parity of the sampler and of its initial noise, on denoisers that are formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import re

import torch
from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import GoldenError, GoldenSection, Tolerance
from cosmos_policy_ros.diffusion.noise import unit_noise
from cosmos_policy_ros.diffusion.sampler import call_sigmas, sample

# The manifest's formulas, to the denoisers that they describe.
FORMULAS: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    'x0(x,sigma)=0.5*tanh(x)': lambda x, sigma, bias: 0.5 * torch.tanh(x),
    'x0(x,sigma)=bias+(x-bias)*0.25/(sigma^2+0.25)':
        lambda x, sigma, bias: bias + (x - bias) * 0.25 / (sigma**2 + 0.25),
    'x0(x,sigma)=0.7*sin(x/(1+sigma))': lambda x, sigma, bias: 0.7 * torch.sin(x / (1 + sigma))}


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['sampler']
    section.skip('scaling the noise variance is an option that this package does not offer',
                 'variance_scale')
    for name in list(section.arrays):
        if match := re.fullmatch(r'(.+)\.([^.]+)\.n(\d+)\.out', name):
            section.attempt(name, lambda: _sample(section, name, match[2], int(match[3])))
        elif match := re.fullmatch(r'init_noise\.seed(\d+)', name):
            noise = unit_noise([int(match[1])], tuple(section.arrays[name].shape[1:]))
            section.compare(name, noise, Tolerance())


def _sample(section: GoldenSection, name: str, predictor: str, num_steps: int) -> None:
    sigma_max, sigma_min = _sigma_range(section.described(name))
    predict, bias = _formula(section, predictor), section.input('bias')
    states = []

    def denoiser(state: Tensor, sigma: float) -> Tensor:
        states.append(state)
        return predict(state, sigma, bias)

    result = sample(denoiser, section.input('eps'), num_steps=num_steps, sigma_max=sigma_max,
                    sigma_min=sigma_min)
    section.compare(name, result, section.tolerance('out'))
    section.compare(name.removesuffix('out') + 'states', torch.stack(states),
                    section.tolerance('out'))
    sigmas_name = name.replace(f'.{predictor}.', '.').removesuffix('out') + 'sigmas'
    if all(result.case != sigmas_name for result in section.results):
        section.compare(sigmas_name, call_sigmas(num_steps, sigma_max, sigma_min),
                        section.tolerance('sigmas'))


def _sigma_range(description: str) -> tuple[float, float]:
    match = re.search(r'sigma_max=([\d.e-]+\d), sigma_min=([\d.e-]+\d)', description)
    if not match:
        raise GoldenError(f'no sigma range in the description {description!r}')
    return float(match[1]), float(match[2])


def _formula(section: GoldenSection, predictor: str) -> Callable[[Tensor, float, Tensor], Tensor]:
    text = section.info['predictors'][predictor].split(' ')[0]
    if text not in FORMULAS:
        raise GoldenError(f'unknown predictor formula {text!r}')
    return FORMULAS[text]
