# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters: the matrices of the blocks stay, and learn a sum of few products on top.

E. Hu et al., "LoRA: Low-rank adaptation of large language models", 2021.
"""

from __future__ import annotations

import math

import torch
from torch import nn, Tensor
from torch.nn.utils.parametrize import register_parametrization

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer
from cosmos_policy_ros.errors import CheckpointError

# Layers of a block that adapt: attention and MLP, not the modulation.
_PARTS = ('self_attn', 'cross_attn', 'mlp')


class LowRankSum(nn.Module):
    """Adds a product of two narrow matrices to a weight; nothing at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum."""
        return weight + self.up @ self.down


def add_adapters(transformer: DiffusionTransformer, rank: int, seed: int) -> None:
    """Freeze a transformer, and give the layers of its blocks adapters, in place."""
    transformer.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in _adapted(transformer):
            register_parametrization(layer, 'weight', LowRankSum(layer.weight, rank))


def adapter_weights(transformer: DiffusionTransformer) -> dict[str, Tensor]:
    """Return the weights of all adapters by name."""
    return {name: parameter.detach() for name, parameter in transformer.named_parameters()
            if parameter.requires_grad}


@torch.no_grad()
def load_adapter_weights(
    transformer: DiffusionTransformer, weights: dict[str, Tensor],
) -> None:
    """Put weights back into adapters.

    Raises:
        CheckpointError: If they are of other adapters.
    """
    own = {name: parameter for name, parameter in transformer.named_parameters()
           if parameter.requires_grad}
    if {name: tensor.shape for name, tensor in weights.items()} != {
            name: parameter.shape for name, parameter in own.items()}:
        raise CheckpointError('the adapters of the checkpoint are of another rank or model')
    for name, parameter in own.items():
        parameter.copy_(weights[name])


def merged_model(model: CosmosModel) -> CosmosModel:
    """Return a copy whose weights hold what the adapters learned."""
    with torch.device('meta'):
        merged = CosmosModel(model.config)
    merged.autoencoder = model.autoencoder
    weights = {name: _weight(model.transformer, name) for name in merged.transformer.state_dict()}
    merged.transformer.load_state_dict(weights, assign=True)
    return merged.eval()


def _weight(transformer: DiffusionTransformer, name: str) -> Tensor:
    module, _, leaf = name.rpartition('.')
    return getattr(transformer.get_submodule(module), leaf).detach()


def _adapted(transformer: DiffusionTransformer) -> list[nn.Linear]:
    return [layer for block in transformer.blocks for part in _PARTS
            for layer in getattr(block, part).modules() if isinstance(layer, nn.Linear)]
