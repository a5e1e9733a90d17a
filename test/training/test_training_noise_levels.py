# SPDX-License-Identifier: Apache-2.0
"""Noise levels of training samples."""

import math

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.training.noise_levels import draw_sigmas
from cosmos_policy_ros.training.settings import NoiseSettings


def draw(count=20_000, frames=11, **settings):
    """Draw levels."""
    return draw_sigmas(np.random.default_rng(0), count, NoiseSettings(**settings),
                       num_latent_frames=frames)


def test_log_normal_levels_have_their_median_times_the_root_of_the_frames():
    assert np.median(draw(uniform_share=0.0)) == pytest.approx(4 * math.sqrt(11), rel=0.03)


def test_uniform_levels_stay_in_their_range_times_the_root_of_the_frames():
    levels = draw(uniform_share=1.0, frames=9) / 3
    assert 1 <= levels.min() < 1.1 and 84.9 < levels.max() <= 85


def test_a_share_of_the_levels_is_uniform():
    levels = draw(uniform_share=0.3, log_std=0.01, frames=1)
    assert (np.abs(levels - 4) > 0.3).mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize('settings', [
    {'uniform_low': 90.0}, {'log_std': 0.0}, {'uniform_share': 1.5}, {'log_mean': math.nan}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        NoiseSettings(**settings)
