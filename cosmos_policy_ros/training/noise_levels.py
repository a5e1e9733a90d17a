# SPDX-License-Identifier: Apache-2.0
"""Noise levels of training samples."""

from __future__ import annotations

import math

import numpy as np

from cosmos_policy_ros.training.settings import NoiseSettings


def draw_sigmas(
    random: np.random.Generator, count: int, settings: NoiseSettings, *, num_latent_frames: int,
) -> np.ndarray:
    """Draw noise levels, one per sample, for sequences of that many frames.

    The levels of one frame are multiplied by the square root of the number of frames, as in the
    pre-training of the released models.

    Returns:
        Shape (count,), float32.
    """
    log_normal = np.exp(random.normal(settings.log_mean, settings.log_std, count))
    uniform = random.uniform(settings.uniform_low, settings.uniform_high, count)
    is_uniform = random.random(count) < settings.uniform_share
    levels = np.where(is_uniform, uniform, log_normal)
    return (levels * math.sqrt(num_latent_frames)).astype(np.float32)
