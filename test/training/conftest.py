# SPDX-License-Identifier: Apache-2.0
"""The small kind of tiny model."""

from __future__ import annotations

import pytest
import synthetic_data

from cosmos_policy_ros.diffusion.config import ModelConfig


@pytest.fixture(scope='session')
def small_config(tiny_patch_config: ModelConfig) -> ModelConfig:
    """Patches, learned positions, prediction of the clean sequence."""
    return synthetic_data.small_config(tiny_patch_config)
