# SPDX-License-Identifier: Apache-2.0
"""A transformer whose weights, gradients and optimiser are spread over processes.

Every function here is called by all processes at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed import checkpoint as distributed_checkpoint
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict, get_optimizer_state_dict, set_optimizer_state_dict, StateDictOptions)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.weight_files import NETWORK_PREFIX
from cosmos_policy_ros.errors import CheckpointError

# What of the transformer is called besides `forward`, and needs its whole weights.
_ENTRANCES = ('velocity', 'encode_text', 'modulate')


def shard_transformer(model: CosmosModel) -> None:
    """Spread the transformer of a model over all processes, in place."""
    mesh = init_device_mesh(model.device.type, (distributed.get_world_size(),))
    fully_shard(model.transformer, mesh=mesh, reshard_after_forward=False)
    for name in _ENTRANCES:
        register_fsdp_forward_method(model.transformer, name)


def is_sharded(module: nn.Module) -> bool:
    """Whether the weights of a module are spread over processes."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def gathered_model(model: CosmosModel) -> CosmosModel:
    """Return a model on the CPU with whole weights; in all processes but the first without any."""
    state = get_model_state_dict(model.transformer, options=StateDictOptions(
        full_state_dict=True, cpu_offload=True))
    with torch.device('meta'):
        whole = CosmosModel(model.config)
    whole.autoencoder = model.autoencoder
    if state:
        whole.transformer.load_state_dict(state, assign=True)
    return whole.eval()


def save_shards(folder: Path, model: CosmosModel, optimisers: list[Optimizer]) -> None:
    """Write weights and optimisers, each process its own part.

    The weights go into `model`, as `load_checkpoint` finds those of distributed training.

    Raises:
        CheckpointError: If the disk refuses.
    """
    try:
        for name, tensors in _parts(model, optimisers).items():
            distributed_checkpoint.save(tensors, checkpoint_id=folder / name)
    # A failure of any process is raised in all, as an error of its own kind.
    except Exception as error:
        raise CheckpointError(f'cannot write {folder}: {error}') from error


def load_shards(folder: Path, model: CosmosModel, optimisers: list[Optimizer]) -> None:
    """Read weights and optimisers, each process what it needs, also if their number changed.

    Raises:
        CheckpointError: If a file is missing or does not fit.
    """
    parts = _parts(model, optimisers)
    try:
        for name, tensors in parts.items():
            distributed_checkpoint.load(tensors, checkpoint_id=folder / name)
    except Exception as error:
        raise CheckpointError(f'cannot read {folder}: {error}') from error
    for optimiser, (_, state) in zip(optimisers, _optimiser_parts(parts)):
        set_optimizer_state_dict(model.transformer, optimiser, state)


def _optimiser_parts(parts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, state) for name, state in parts.items() if name.startswith('optimiser')]


def _parts(model: CosmosModel, optimisers: list[Optimizer]) -> dict[str, dict[str, Any]]:
    """Folder to what it holds: the very tensors of model and optimisers."""
    weights = {NETWORK_PREFIX + name: tensor
               for name, tensor in model.transformer.state_dict().items()}
    return {'model': weights, **{
        f'optimiser_{i}': get_optimizer_state_dict(model.transformer, optimiser)
        for i, optimiser in enumerate(optimisers)}}
