# SPDX-License-Identifier: Apache-2.0
"""Random weights for a model that has not been trained."""

from __future__ import annotations

import torch
from torch import nn

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer

GATE_STD = 0.1


@torch.no_grad()
def draw_random_weights(model: CosmosModel, seed: int) -> None:
    """Fill a model in place: matrices normal with variance 1 / inputs, norms 1, biases 0.

    Two deviations make an untrained policy calm: the modulation is small, and the last layer
    undoes the first, so that the network predicts the noise it is given and samples stay near
    zero, the middle of every joint's range.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if name.endswith('gamma') or 'norm' in name:
            parameter.fill_(1)
        elif parameter.ndim == 1:
            parameter.zero_()
        else:
            parameter.normal_(std=parameter[0].numel()**-0.5, generator=generator)
    _shrink_modulation(model.transformer)
    _tie_last_layer_to_first(model.transformer, generator)


def _shrink_modulation(transformer: DiffusionTransformer) -> None:
    transformer.t_embedder[1].linear_2.weight.mul_(GATE_STD)
    for name, parameter in transformer.named_parameters():
        if 'adaln_modulation' in name and name.endswith('2.weight'):
            parameter.mul_(GATE_STD)


def _tie_last_layer_to_first(
    transformer: DiffusionTransformer, generator: torch.Generator,
) -> None:
    first, last = transformer.x_embedder.proj[1].weight, transformer.final_layer.linear.weight
    nn.init.orthogonal_(first, generator=generator)
    p = transformer.config.patch_size
    patches = first.view(len(first), -1, p, p)[:, :len(last) // p**2]  # (D, C, p, p)
    # The layer norm before the last layer scales tokens by sqrt(D / inputs).
    scale = (len(last) / len(first))**0.5
    last.copy_(scale * patches.permute(2, 3, 1, 0).reshape(last.shape))
