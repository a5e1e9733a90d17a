# SPDX-License-Identifier: Apache-2.0
"""How much memory a training step needs, without a single weight: all on torch's meta device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.training.recomputation import recompute_blocks
from cosmos_policy_ros.training.settings import BatchSettings

_FLOAT32_BYTES, _BFLOAT16_BYTES = 4, 2
# Two running means of AdamW.
_NUM_MEANS = 2


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """Memory of one process in [B].

    Attributes:
        weights: Weights, float32, and their copies while a step lasts.
        gradients: Their gradients.
        optimiser: Running means of AdamW, and of the weights where one is kept.
        activations: What the forward pass of one part of a batch keeps for the backward pass.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations


def step_memory(
    config: ModelConfig, settings: BatchSettings, *, num_processes: int = 1,
    is_sharded: bool = False,
) -> StepMemory:
    """Account for a training step; the image autoencoder and the allocator come on top.

    Args:
        config: Configuration of the model.
        settings: Batch size of all processes together, accumulation and precision.
        num_processes: Processes that share a batch.
        is_sharded: Whether they also share weights, gradients and optimiser.
    """
    with torch.device('meta'):
        model = CosmosModel(replace(config, random_weights_seed=None))
    if settings.recompute:
        recompute_blocks(model.transformer)
    count = sum(parameter.numel() for parameter in model.transformer.parameters())
    is_rounded = settings.precision == 'bfloat16'
    parts = num_processes if is_sharded else 1
    size = max(1, settings.batch_size // num_processes // settings.accumulation)
    return StepMemory(
        # While a step lasts, sharded weights are there as a whole too, and so are rounded copies.
        weights=_FLOAT32_BYTES * count // parts + _FLOAT32_BYTES * count * is_sharded
        + _BFLOAT16_BYTES * count * is_rounded,
        gradients=_FLOAT32_BYTES * count // parts,
        optimiser=(_NUM_MEANS + bool(settings.ema_decay)) * _FLOAT32_BYTES * count // parts,
        activations=size * activation_bytes(
            model.to(torch.bfloat16) if is_rounded else model, 'meta'))


def activation_bytes(model: CosmosModel, device: str) -> int:
    """Bytes that autograd keeps of one sample: each storage once, without weights.

    The meta device computes attention in steps whose squares of tokens no real device keeps; they
    are left out.

    Args:
        model: The model, on the device.
        device: Where to compute; nothing is computed on `meta`.
    """
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    config = model.config
    with torch.device(device), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        noisy = torch.zeros(1, *model.sequence_shape)
        mask = torch.zeros(1, 1, model.layout.num_latent_frames, 1, 1)
        text = torch.zeros(1, config.text_tokens, config.transformer.text_dim)
        model.denoise(noisy, torch.ones(1, 1, 1, 1, 1), clean=noisy, mask=mask,
                      text=model.transformer.encode_text(text))
    heads, tokens = config.transformer.num_heads, _num_tokens(model)
    squares = {(heads, tokens, keys) for keys in (tokens, config.text_tokens)}
    return sum(tensor.untyped_storage().nbytes() for key, tensor in kept.items()
               if key not in own and tuple(tensor.shape[1:]) not in squares)


def _num_tokens(model: CosmosModel) -> int:
    _, frames, rows, columns = model.sequence_shape
    return frames * rows * columns // model.config.transformer.patch_size**2
