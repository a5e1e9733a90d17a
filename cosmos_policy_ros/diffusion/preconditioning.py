# SPDX-License-Identifier: Apache-2.0
"""Rectified-flow preconditioning: from noise level to network input and back to a prediction.

With t = sigma / (1 + sigma): the network sees (1 - t) x, is told t, and
D(x) = (1 - t) x - t F. Clean frames enter unscaled, are told t = 0, and stay as they are.

A small network may say D(x) = F instead: it need not carry the noise of its input through every
layer to subtract it at the end. Both learn the same loss.
"""

from __future__ import annotations

import torch
from torch import Tensor


def time_from_sigma(sigma: float | Tensor) -> float | Tensor:
    """Rectified-flow time in [0, 1) of a noise level."""
    return sigma / (1 + sigma)


def network_input(noisy: Tensor, clean: Tensor, mask: Tensor, time: float | Tensor) -> Tensor:
    """Scale the noisy frames and put in the clean ones where `mask` is 1."""
    return torch.where(mask.bool(), clean, (1 - time) * noisy)


def clean_prediction(
    output: Tensor, noisy: Tensor, clean: Tensor, mask: Tensor, time: float | Tensor,
    prediction: str = 'velocity',
) -> Tensor:
    """Turn the network's output (see `config.PREDICTIONS`) into a prediction of the clean one."""
    denoised = output if prediction == 'clean' else (1 - time) * noisy - time * output
    return torch.where(mask.bool(), clean, denoised)
