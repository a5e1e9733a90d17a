# SPDX-License-Identifier: Apache-2.0
"""Prepared episodes out of nothing, in which the images say what the actions are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.training.prepared_episode import PreparedEpisode
from cosmos_policy_ros.training.training_set import LabelledEpisode, TrainingSet

TASK = 'transfer the cube'


def small_config(config: ModelConfig) -> ModelConfig:
    """The tiny model with everything that small models use."""
    return replace(config, prediction='clean', transformer=replace(
        config.transformer, learned_positions=True))


def episode(
    name: str = 'one', *, steps: int = 30, seed: int = 0, size: int = 32, image_every: int = 1,
) -> PreparedEpisode:
    """An episode of smooth joints, each image as bright as a joint is far.

    Images are new at every `image_every`-th step.
    """
    random = np.random.default_rng(seed)
    phase = random.uniform(0, 6, 14)
    time = np.arange(steps + 1)[:, None] / 25
    joints = np.sin(3 * time + phase).astype(np.float32)
    brightness = (127 + 100 * joints[:-1, :3])[:, :, None, None, None]
    images = np.broadcast_to(brightness, (steps, 3, size, size, 3)).astype(np.uint8)
    ages = np.arange(steps) % image_every
    return PreparedEpisode(
        name=name, identity=name, images=images[np.arange(steps) - ages], proprio=joints[:-1],
        actions=joints[1:], image_ages_s=(ages / 25).astype(np.float32))


def labelled(name: str = 'one', *, score: float = 1.0, is_demonstration: bool = True,
             task: str = TASK, **content: int) -> LabelledEpisode:
    """The same with a label."""
    return LabelledEpisode(episode=episode(name, **content), task=task, score=score,
                           is_demonstration=is_demonstration, is_success=score == 1.0)


def texts(config: ModelConfig) -> dict[str, torch.Tensor]:
    """An embedding of the task."""
    shape = (config.text_tokens, config.transformer.text_dim)
    return {TASK: torch.ones(shape)}


def training_set(config: ModelConfig, episodes: list[LabelledEpisode] | None = None,
                 **settings: object) -> TrainingSet:
    """A training set of such episodes; keyword arguments as its own."""
    from cosmos_policy_ros.training.data_statistics import compute_statistics
    episodes = episodes or [labelled('one'), labelled('two', seed=1)]
    return TrainingSet(
        episodes, config=config, texts=texts(config),
        statistics=compute_statistics([item.episode for item in episodes]),
        **{'batch_size': 8, 'seed': 0, **settings})
