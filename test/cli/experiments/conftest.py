# SPDX-License-Identifier: Apache-2.0
"""The smallest learning loop, run once for all tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosmos_policy_ros.cli.learn import learn, LearnOptions
from cosmos_policy_ros.diffusion.config import ModelConfig, save_config


@pytest.fixture(scope='session')
def loop_options(
    tmp_path_factory: pytest.TempPathFactory, tiny_patch_config: ModelConfig,
) -> LearnOptions:
    """Options of a loop with a tiny model and a few very short episodes."""
    place = tmp_path_factory.mktemp('learning')
    save_config(place / 'config.json', replace(tiny_patch_config, prediction='clean'))
    return LearnOptions(
        output=place / 'loop', task='lift_cube', config=str(place / 'config.json'),
        demonstrations=1, minutes=0.01, polish_minutes=0.01, episodes=2, rollouts=2,
        refinement_minutes=0.01, candidates=2, miss_share=0.0, exploration=0.01,
        candidate_spread=0.01, timeout_s=0.4, rollout_timeout_s=0.6, denoising_steps=1, workers=0,
        threads=1, device='cpu')


@pytest.fixture(scope='session')
def loop(loop_options: LearnOptions) -> LearnOptions:
    """The options of a loop that ran to its end."""
    assert learn(loop_options) == 0
    return loop_options
