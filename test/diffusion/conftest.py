# SPDX-License-Identifier: Apache-2.0
"""An empty Hugging Face cache, and a small model whose released files are recognised."""

from dataclasses import replace

import pytest

from cosmos_policy_ros.diffusion.config import save_config


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The folder that takes the place of this user's Hugging Face cache."""
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path / 'hub'))
    return tmp_path / 'hub'


@pytest.fixture
def known_tiny(tmp_path, monkeypatch, tiny_config):
    """The tiny model among the known ones, for weights to be recognised as its own."""
    folder = tmp_path / 'prefix' / 'share' / 'cosmos_policy_ros' / 'models' / 'known_tiny'
    folder.mkdir(parents=True)
    save_config(folder / 'config.json', replace(tiny_config, random_weights_seed=None))
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    return 'known_tiny'
