# SPDX-License-Identifier: Apache-2.0
"""Faster equals of the transformer for sampling, and how far they are from the plain one.

Three means, each of its own: one product for queries, keys and values; compiled blocks; and the
whole transformer as one CUDA graph. Names and values of the weights stay as they are.

Legend: B batch, C channels, T latent frames, H W latent size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
import logging

import torch
from torch import nn, Tensor

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel, Velocity
from cosmos_policy_ros.diffusion.cuda_graph import CapturedVelocity
from cosmos_policy_ros.diffusion.dit import (
    Block, DiffusionTransformer, Modulation, SelfAttention, TextKeysValues)
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.errors import ConfigurationError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Acceleration:
    """What makes a loaded model faster; it must not be trained or moved afterwards.

    Attributes:
        fuse_projections: Whether self-attention projects to queries, keys and values at once.
        compile: Whether the blocks are compiled, all by one compilation per batch size.
        cuda_graphs: Whether the transformer is replayed as a CUDA graph, one per batch size.
        batch_sizes: Batches that compiled blocks and graphs are made for, 1 among them; other
            batches are split into these, so that no query ever waits for a compiler.

    Raises:
        ConfigurationError: If the batch sizes are not positive or lack 1.
    """

    fuse_projections: bool = False
    compile: bool = False
    cuda_graphs: bool = False
    batch_sizes: tuple[int, ...] = (1, 8)

    def __post_init__(self) -> None:
        if 1 not in self.batch_sizes or min(self.batch_sizes) < 1:
            raise ConfigurationError(
                f'batch_sizes is {self.batch_sizes}; positive sizes with 1 among them are '
                'required')

    @classmethod
    def automatic(cls, device: torch.device | str) -> Acceleration:
        """Return all of it on a GPU; on a CPU none, where only compilation gains and little."""
        on_gpu = torch.device(device).type == 'cuda'
        return cls(fuse_projections=on_gpu, compile=on_gpu, cuda_graphs=on_gpu)


def accelerate(model: CosmosModel, acceleration: Acceleration) -> None:
    """Make sampling of a model faster, in place.

    What a machine cannot compile or capture is left out, with a warning.

    Args:
        model: A model with its weights, where and in the precision in which it is to run.
        acceleration: How.

    Raises:
        ConfigurationError: If CUDA graphs are asked for on another device.
    """
    if acceleration.cuda_graphs and model.device.type != 'cuda':
        raise ConfigurationError(
            f'cuda_graphs is True, but the model is on {model.device}; it must be on CUDA')
    if acceleration.fuse_projections:
        _fuse_projections(model.transformer)
    # Without a compiler, graphs alone still save most of the launches.
    for attempt in dict.fromkeys((acceleration, replace(acceleration, compile=False))):
        if (attempt.compile or attempt.cuda_graphs) and _try(model, attempt):
            return


@contextmanager
def plain(model: CosmosModel) -> Iterator[None]:
    """Let a model run without its acceleration."""
    layers = [block.self_attn for block in model.transformer.blocks]
    fast, fused = model.fast_velocity, [layer.fused for layer in layers]
    _restore(model, None, layers, [None] * len(layers))
    try:
        yield
    finally:
        _restore(model, fast, layers, fused)


@torch.no_grad()
def difference_from_plain(
    model: CosmosModel, clean: Tensor, *, text: TextKeysValues, seeds: Sequence[int] = (0,),
    num_steps: int | None = None,
) -> float:
    """Return the largest difference between samples with and without the acceleration.

    Args:
        model: An accelerated model.
        clean: As in `CosmosModel.sample`.
        text: As in `CosmosModel.sample`.
        seeds: As in `CosmosModel.sample`.
        num_steps: As in `CosmosModel.sample`.
    """
    query = {'role': NetworkRole.POLICY, 'text': text, 'seeds': seeds, 'num_steps': num_steps}
    fast = model.sample(clean, **query)
    with plain(model):
        expected = model.sample(clean, **query)
    return (fast - expected).abs().max().item()


class BatchedVelocity:
    """The transformer's velocity, in batches of a few sizes only.

    Args:
        transformer: The transformer.
        acceleration: Whether to compile and capture, and the sizes.
        example: Arguments of `velocity` for a batch of one, to warm up with.
    """

    def __init__(
        self, transformer: DiffusionTransformer, acceleration: Acceleration,
        example: tuple[Tensor, Modulation, TextKeysValues, Tensor],
    ) -> None:
        run_block = Block.__call__
        if acceleration.compile:
            run_block = torch.compile(Block.forward, dynamic=False)
        velocity = partial(transformer.velocity, run_block=run_block)
        # The largest first: the memory that its graph works in also serves the smaller ones.
        self._sizes = sorted(set(acceleration.batch_sizes), reverse=True)
        self._velocities = self._warm_up(velocity, acceleration.cuda_graphs, *example)

    def __call__(
        self, latents: Tensor, modulation: Modulation, text: TextKeysValues, clean_mask: Tensor,
    ) -> Tensor:
        """Predict as `DiffusionTransformer.velocity` does."""
        parts = latents.split(self._split(len(latents)))
        return torch.cat([self._velocities[len(part)](part, modulation, text, clean_mask)
                          for part in parts])

    def _warm_up(
        self, velocity: Velocity, capture: bool, latents: Tensor, *others: object,
    ) -> dict[int, Velocity]:
        batches = {size: latents.expand(size, -1, -1, -1, -1).contiguous()
                   for size in self._sizes}
        if capture:
            return CapturedVelocity.for_batches(velocity, batches, *others)
        for batch in batches.values():
            velocity(batch, *others)
        return dict.fromkeys(self._sizes, velocity)

    def _split(self, count: int) -> list[int]:
        sizes = []
        for size in self._sizes:
            sizes += [size] * (count // size)
            count %= size
        return sizes


def _fuse_projections(transformer: DiffusionTransformer) -> None:
    for block in transformer.blocks:
        layer = block.self_attn
        projections = (layer.q_proj, layer.k_proj, layer.v_proj)
        layer.fused = torch.cat([projection.weight.detach() for projection in projections])
        # The weights become views of it, so that they take no memory twice.
        for projection, weight in zip(projections, layer.fused.chunk(3)):
            projection.weight = nn.Parameter(weight, requires_grad=False)


def _try(model: CosmosModel, acceleration: Acceleration) -> bool:
    try:
        model.fast_velocity = _batched_velocity(model, acceleration)
    # Compilers fail in many ways, and a slower model is better than none.
    except Exception as error:
        means = 'compiled blocks' if acceleration.compile else 'CUDA graphs'
        first_line = next(iter(str(error).splitlines()), '')
        _logger.warning('the model runs without %s, slower: %s: %s', means,
                        type(error).__name__, first_line)
        return False
    return True


@torch.no_grad()
def _batched_velocity(model: CosmosModel, acceleration: Acceleration) -> BatchedVelocity:
    transformer, config = model.transformer, model.config
    mask = model.clean_mask(NetworkRole.POLICY)
    latents = torch.zeros(1, *model.sequence_shape, device=model.device)
    text = model.encode_text(torch.zeros(config.text_tokens, config.transformer.text_dim))
    modulation = transformer.modulate((1 - mask)[:, 0, :, 0, 0])
    return BatchedVelocity(transformer, acceleration, (latents, modulation, text, mask))


def _restore(
    model: CosmosModel, fast: Velocity | None, layers: Sequence[SelfAttention],
    fused: Sequence[Tensor | None],
) -> None:
    model.fast_velocity = fast
    for layer, weight in zip(layers, fused):
        layer.fused = weight
