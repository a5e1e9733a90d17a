# SPDX-License-Identifier: Apache-2.0
"""Initial noise and noise levels of the sampler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

RHO = 7


def unit_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Draw standard normal noise, each sample from its own seed.

    Drawn with numpy's legacy generator on the CPU, so that it is the same on every device.

    Args:
        seeds: One seed per sample.
        shape: Shape of one sample.

    Returns:
        Noise of shape (B, *shape), float32.
    """
    samples = [np.random.RandomState(seed).standard_normal(shape) for seed in seeds]
    return torch.from_numpy(np.stack(samples).astype(np.float32))


def sigma_grid(num_intervals: int, sigma_max: float, sigma_min: float) -> np.ndarray:
    """Noise levels from sigma_max down to sigma_min, evenly spaced in sigma^(1/7).

    Returns:
        Shape (num_intervals + 1,), float64.
    """
    upper, lower = sigma_max**(1 / RHO), sigma_min**(1 / RHO)
    fraction = np.arange(num_intervals + 1) / num_intervals
    return (upper + fraction * (lower - upper))**RHO
