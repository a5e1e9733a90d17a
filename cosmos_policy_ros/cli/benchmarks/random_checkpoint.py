# SPDX-License-Identifier: Apache-2.0
"""A model of a known size with random weights: it takes as long as a trained one."""

from __future__ import annotations

import psutil
import torch

from cosmos_policy_ros.diffusion.checkpoint import Checkpoint, default_dtype
from cosmos_policy_ros.diffusion.checkpoint_files import CONFIG_FILE
from cosmos_policy_ros.diffusion.checkpoint_paths import known_checkpoints
from cosmos_policy_ros.diffusion.config import load_config, ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.text_embedding import TextEmbeddings
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.statistics import Bounds, DatasetStatistics

TASK = 'a task made of random numbers'
WORKING_BYTES = 1_700_000_000
"""Memory that a query needs beside the weights of the largest model."""


def random_checkpoint(name: str, device: torch.device) -> Checkpoint:
    """Build the model of a known configuration on a device, without any weight file.

    Args:
        name: Name of a known model.
        device: Where to build it.

    Raises:
        ConfigurationError: If the model is not known, or does not fit into the memory that is
            free.
    """
    config = _known_config(name)
    dtype = default_dtype(device)
    with torch.device('meta'):
        model = CosmosModel(config).to(dtype).eval()
    _check_memory(name, model, dtype, device)
    _fill(model.to_empty(device=device))
    bounds = {item: Bounds(name=item, lower=ALOHA.lower, upper=ALOHA.upper)
              for item in ('actions', 'proprio')}
    embedding = torch.randn(config.text_tokens, config.transformer.text_dim)
    return Checkpoint(
        name=name, model=model, statistics=DatasetStatistics(**bounds), is_trained=False,
        text_embeddings=TextEmbeddings(by_task={TASK: embedding}))


def _known_config(name: str) -> ModelConfig:
    known = known_checkpoints()
    if name not in known:
        raise ConfigurationError(
            f'--random is for the models {", ".join(known)}; {name!r} is none of them')
    return load_config(known[name] / CONFIG_FILE)


def _check_memory(
    name: str, model: CosmosModel, dtype: torch.dtype, device: torch.device,
) -> None:
    weights = sum(parameter.nbytes for parameter in model.parameters())
    free = (torch.cuda.mem_get_info(device)[0] if device.type == 'cuda'
            else psutil.virtual_memory().available)
    if free < weights + WORKING_BYTES:
        raise ConfigurationError(
            f'{name} in {str(dtype).removeprefix("torch.")} needs '
            f'{(weights + WORKING_BYTES) / 1e9:.1f} GB on {device}, of which {free / 1e9:.1f} GB '
            'are free; close other programs or choose another device or model')


@torch.no_grad()
def _fill(model: CosmosModel) -> None:
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 or name.endswith('gamma'):
            parameter.fill_(0.0 if name.endswith('bias') else 1.0)
        else:
            parameter.normal_(std=parameter[0].numel()**-0.5)
