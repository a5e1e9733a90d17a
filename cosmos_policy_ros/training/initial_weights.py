# SPDX-License-Identifier: Apache-2.0
"""Weights to begin a training with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from cosmos_policy_ros.diffusion.checkpoint import load_transformer_weights
from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.random_weights import draw_random_weights
from cosmos_policy_ros.diffusion.weight_files import read_tensors


def untrained_model(config: ModelConfig, seed: int) -> CosmosModel:
    """Build a model whose first prediction is near the middle of everything."""
    model = CosmosModel(replace(config, random_weights_seed=None))
    draw_random_weights(model, seed)
    if config.prediction == 'clean':
        torch.nn.init.zeros_(model.transformer.final_layer.linear.weight)
    return model


def load_initial_weights(model: CosmosModel, path: Path) -> None:
    """Put the weights of a file, or of a folder of distributed training, into a transformer.

    Raises:
        CheckpointError: If it cannot be read, or does not fit in name, number or shape.
    """
    tensors = {name: tensor.float() for name, tensor in read_tensors(path).items()}
    load_transformer_weights(model.transformer, tensors)
