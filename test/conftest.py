# SPDX-License-Identifier: Apache-2.0
"""Golden vectors, a tiny model and synthetic observations for every room.

Heavy imports happen inside the fixtures, so that rooms which need no torch do not pay for it. The
shared contracts in `test/contracts` import as `contracts.<module>`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
import numpy as np
import pytest

from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.observation import Observation

# The same examples in every run: a test that fails, fails for everybody.
settings.register_profile('fixed', derandomize=True, deadline=None)
settings.load_profile('fixed')

if TYPE_CHECKING:
    from torch import Tensor

    from cosmos_policy_ros.diffusion.checkpoint import Checkpoint
    from cosmos_policy_ros.diffusion.config import ModelConfig

TASK = 'transfer the cube'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Repeat, twice at most, what fails in real time, where a busy machine can starve a deadline.

    The summary names every test that needed it.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent / 'nodes') or 'ros' in item.keywords:
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope='session')
def golden_directory() -> Path:
    """Folder of the golden vectors."""
    return Path(__file__).parent / 'golden'


@pytest.fixture(scope='session')
def golden(golden_directory: Path) -> Callable[[str], dict[str, Tensor]]:
    """Read the golden arrays of a section."""
    from safetensors.torch import load_file
    return lambda section: load_file(golden_directory / f'{section}.safetensors')


@pytest.fixture(scope='session')
def tiny_config() -> ModelConfig:
    """ALOHA layout, 32 px images, Wan: a query takes a few tens of milliseconds."""
    from cosmos_policy_ros.diffusion.config import (
        ModelConfig, TransformerConfig, WanAutoencoderConfig)
    return ModelConfig(
        layout='aloha',
        transformer=TransformerConfig(
            num_blocks=2, width=48, num_heads=2, mlp_ratio=2.0, adaln_lora_dim=8, text_dim=12,
            patch_size=2, rope_ratios=(1.0, 3.0, 3.0)),
        autoencoder=WanAutoencoderConfig(
            base_dim=4, latent_channels=16, channel_multipliers=(1, 2, 4, 4), num_res_blocks=1,
            temporal_downsample=(False, True, True)),
        text_tokens=3, image_size_px=32, camera_resize_px=None, jpeg_round_trip=False,
        chunk_size=6, chunk_period_s=0.04, action_dim=14, proprio_dim=14, sigma_max=80.0,
        sigma_min=4.0, num_denoising_steps=3, random_weights_seed=0)


@pytest.fixture(scope='session')
def tiny_patch_config(tiny_config: ModelConfig) -> ModelConfig:
    """The same with the patch autoencoder."""
    from cosmos_policy_ros.diffusion.config import PatchAutoencoderConfig
    return replace(tiny_config, autoencoder=PatchAutoencoderConfig())


@pytest.fixture(scope='session')
def tiny_checkpoint(tiny_config: ModelConfig) -> Checkpoint:
    """The tiny model with weights, as if trained; tests must not change them."""
    return make_checkpoint(tiny_config)


@pytest.fixture(scope='session')
def tiny_patch_checkpoint(tiny_patch_config: ModelConfig) -> Checkpoint:
    """The same with the patch autoencoder."""
    return make_checkpoint(tiny_patch_config)


def make_checkpoint(config: ModelConfig) -> Checkpoint:
    """Build a model with random weights, as if trained."""
    import torch

    from cosmos_policy_ros.diffusion.checkpoint import Checkpoint
    from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
    from cosmos_policy_ros.diffusion.random_weights import draw_random_weights
    from cosmos_policy_ros.diffusion.text_embedding import TextEmbeddings
    from cosmos_policy_ros.spec.statistics import Bounds, DatasetStatistics
    model = CosmosModel(replace(config, random_weights_seed=None)).eval()
    draw_random_weights(model, seed=0)
    generator = torch.Generator().manual_seed(1)
    shape = (config.text_tokens, config.transformer.text_dim)
    bounds = {name: Bounds(name=name, lower=ALOHA.lower, upper=ALOHA.upper)
              for name in ('actions', 'proprio')}
    return Checkpoint(
        name='tiny', model=model, statistics=DatasetStatistics(**bounds), is_trained=True,
        text_embeddings=TextEmbeddings(by_task={
            task: torch.randn(shape, generator=generator) for task in (TASK, 'insert the peg')}))


@pytest.fixture(scope='session')
def synthetic_observation() -> Callable[..., Observation]:
    """Build an ALOHA observation of random images; keyword arguments replace its fields."""
    def build(seed: int = 0, **fields: object) -> Observation:
        random = np.random.default_rng(seed)
        images = {camera.name: random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
                  for camera in ALOHA.cameras}
        defaults = {'images': images, 'proprio': ALOHA.start_pose, 'stamp_ns': 1_000_000_000,
                    'task': TASK}
        return Observation(**{**defaults, **fields})
    return build
