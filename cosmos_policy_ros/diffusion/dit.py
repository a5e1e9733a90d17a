# SPDX-License-Identifier: Apache-2.0
"""The diffusion transformer, with the parameter names of the released checkpoints.

Legend: B batch, C channels, T latent frames, H W latent size, S patches of a frame, L = T S
tokens, M text tokens, D width, N heads, E channels of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import torch
from torch import nn, Tensor
from torch.nn import functional as F

from cosmos_policy_ros.diffusion.attention import (
    apply_rope, attend, NORM_EPS, rms_norm, rope_angles, rope_rotation, Rotation)
from cosmos_policy_ros.diffusion.config import TransformerConfig

SINUSOID_BASE = 10000.0
NUM_MASKS = 2


@dataclass(frozen=True, kw_only=True)
class TextKeysValues:
    """Cross-attention keys and values of one task, ready for every block.

    Attributes:
        blocks: Keys and values of each block, each of shape (1 or B, M, N, E).
    """

    blocks: tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True, kw_only=True)
class Modulation:
    """Shifts, scales and gates of all layers; they depend on the times alone.

    Attributes:
        blocks: Those of the three parts of each block. Shape (blocks, 3, 1 or B, T, 3 D).
        final: Shift and scale of the final layer. Shape (1 or B, T, 2 D).
    """

    blocks: Tensor
    final: Tensor

    def rows(self) -> tuple[Modulation, ...]:
        """Split a batch into its members, each a batch of one that lies together in memory."""
        return tuple(
            Modulation(blocks=blocks.contiguous(), final=final)
            for blocks, final in zip(self.blocks.split(1, dim=2), self.final.split(1)))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class RmsNorm(nn.Module):
    """RMS norm over the last axis with a learned weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise tokens (..., D)."""
        return rms_norm(x, self.weight)


class PatchEmbedding(nn.Module):
    """Linear map of square patches, flattened channel first."""

    def __init__(self, channels: int, patch_size: int, width: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Sequential(nn.Identity(), _linear(channels * patch_size**2, width))

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, C, T, H, W) as (B, T, S, D)."""
        B, C, T, H, W = x.shape
        p = self.patch_size
        x = x.reshape(B, C, T, H // p, p, W // p, p).permute(0, 2, 3, 5, 1, 4, 6)
        return self.proj(x.reshape(B, T, -1, C * p * p))  # (B, T, S, D)


class TimestepMlp(nn.Module):
    """The part of the modulation that all layers share."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = _linear(width, width)
        self.linear_2 = _linear(width, 3 * width)

    def forward(self, sinusoid: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, 3 D)."""
        return self.linear_2(F.silu(self.linear_1(sinusoid)))


def timestep_sinusoid(timesteps: Tensor, width: int) -> Tensor:
    """Embed times in [0, 1], cosines first, computed in float32. (B, T) to (B, T, width)."""
    half = width // 2
    index = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    frequencies = torch.exp(-math.log(SINUSOID_BASE) * index / half)
    angles = timesteps.float()[..., None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1).to(timesteps.dtype)


class Attention(nn.Module):
    """Projections of an attention layer; queries and keys are normalised per head."""

    def __init__(self, width: int, head_dim: int, context_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.q_proj = _linear(width, width)
        self.k_proj = _linear(context_dim, width)
        self.v_proj = _linear(context_dim, width)
        self.output_proj = _linear(width, width)
        self.q_norm = RmsNorm(head_dim)
        self.k_norm = RmsNorm(head_dim)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim))  # (B, L, N, E)

    def queries(self, x: Tensor) -> Tensor:
        """Normalised queries (B, L, N, E) of tokens (B, L, D)."""
        return self.q_norm(self._heads(self.q_proj(x)))

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised keys, and values, (B, M, N, E) of context tokens (B, M, *)."""
        return self.k_norm(self._heads(self.k_proj(context))), self._heads(self.v_proj(context))


class SelfAttention(Attention):
    """Attention of all tokens to all tokens, with rotary embedding.

    Attributes:
        fused: Weights of the query, key and value projections in one, of shape (3 D, D); None
            to project three times.
    """

    fused: Tensor | None

    def __init__(self, width: int, head_dim: int) -> None:
        super().__init__(width, head_dim, width)
        self.register_buffer('fused', None, persistent=False)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        """Attend from and to tokens (B, L, D), in row-major order of their positions."""
        queries, keys, values = self._projected(x)
        attended = attend(apply_rope(queries, rotation), apply_rope(keys, rotation), values)
        return self.output_proj(attended)

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.fused is None:
            return self.queries(x), *self.keys_values(x)
        queries, keys, values = map(self._heads, F.linear(x, self.fused).chunk(3, dim=-1))
        return self.q_norm(queries), self.k_norm(keys), values


class CrossAttention(Attention):
    """Attention of all tokens to the text, whose keys and values are computed once per task."""

    def forward(self, x: Tensor, text: tuple[Tensor, Tensor]) -> Tensor:
        """Attend from tokens (B, L, D) to the keys and values of a text."""
        return self.output_proj(attend(self.queries(x), *text))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layer1 = _linear(width, hidden)
        self.layer2 = _linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (..., D) one by one."""
        return self.layer2(F.gelu(self.layer1(x)))


def _modulation(width: int, rank: int, num_parts: int) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), _linear(width, rank), _linear(rank, num_parts * width))


def _modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise tokens (B, T, S, D), then scale and shift each latent frame by (B, T, D)."""
    normalised = F.layer_norm(x, x.shape[-1:], eps=NORM_EPS)
    return normalised * (1 + scale[:, :, None]) + shift[:, :, None]


class Block(nn.Module):
    """Self-attention, cross-attention and MLP, each modulated per latent frame."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, rank = config.width, config.adaln_lora_dim
        self.self_attn = SelfAttention(width, config.head_dim)
        self.cross_attn = CrossAttention(width, config.head_dim, config.text_dim)
        self.mlp = Mlp(width, config.mlp_width)
        self.adaln_modulation_self_attn = _modulation(width, rank, 3)
        self.adaln_modulation_cross_attn = _modulation(width, rank, 3)
        self.adaln_modulation_mlp = _modulation(width, rank, 3)

    def modulate(self, embedding: Tensor, shared: Tensor) -> Tensor:
        """Compute the modulation of the three parts.

        Args:
            embedding: Normalised timestep embedding. Shape (B, T, D).
            shared: Modulation that all layers add. Shape (B, T, 3 D).

        Returns:
            Shape (3, B, T, 3 D).
        """
        return torch.stack([part(embedding) + shared for part in (
            self.adaln_modulation_self_attn, self.adaln_modulation_cross_attn,
            self.adaln_modulation_mlp)])

    def forward(
        self, x: Tensor, modulation: Tensor, rotation: Rotation, text: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Transform tokens (B, T, S, D).

        Args:
            x: Tokens. Shape (B, T, S, D).
            modulation: What `modulate` gave. Shape (3, 1 or B, T, 3 D).
            rotation: Cosines and sines of the rotary angles.
            text: Keys and values of the text.
        """
        for part, layer in zip(modulation, (
                lambda y: self.self_attn(y, rotation), lambda y: self.cross_attn(y, text),
                self.mlp)):
            shift, scale, gate = part.chunk(3, dim=-1)
            y = layer(_modulate(x, shift, scale).flatten(1, 2))  # (B, L, D)
            x = x + gate[:, :, None] * y.view_as(x)
        return x


class FinalLayer(nn.Module):
    """Modulated linear map from tokens to patches, flattened channel last."""

    def __init__(self, config: TransformerConfig, channels: int) -> None:
        super().__init__()
        self.linear = _linear(config.width, channels * config.patch_size**2)
        self.adaln_modulation = _modulation(config.width, config.adaln_lora_dim, 2)

    def modulate(self, embedding: Tensor, shared: Tensor) -> Tensor:
        """Compute shift and scale (B, T, 2 D), as `Block.modulate` does."""
        return self.adaln_modulation(embedding) + shared[..., :2 * embedding.shape[-1]]

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Map tokens (B, T, S, D) to the values of their patches (B, T, S, p p C)."""
        shift, scale = modulation.chunk(2, dim=-1)
        return self.linear(_modulate(x, shift, scale))


class DiffusionTransformer(nn.Module):
    """Predicts the velocity of a latent sequence, given per-frame times and a text.

    Args:
        config: Sizes.
        latent_channels: Channels of a latent frame.
        grid: Latent frames, and patches of each; needed for learned positions alone.
    """

    def __init__(
        self, config: TransformerConfig, *, latent_channels: int,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.x_embedder = PatchEmbedding(
            latent_channels + NUM_MASKS, config.patch_size, config.width)
        self.t_embedder = nn.Sequential(nn.Identity(), TimestepMlp(config.width))
        self.t_embedding_norm = RmsNorm(config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_blocks))
        self.final_layer = FinalLayer(config, latent_channels)
        self.positions = (
            nn.Parameter(torch.empty(*grid, config.width)) if config.learned_positions else None)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights, in which the network computes."""
        return self.t_embedding_norm.weight.dtype

    def encode_text(self, text: Tensor) -> TextKeysValues:
        """Compute the keys and values of a task embedding (1 or B, M, *) for every block."""
        text = text.to(self.dtype)
        return TextKeysValues(
            blocks=tuple(block.cross_attn.keys_values(text) for block in self.blocks))

    def embed_timesteps(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Embed times (B, T) as normalised sinusoid (B, T, D) and shared modulation (B, T, 3 D).

        The times are rounded to the precision of the weights first.
        """
        sinusoid = timestep_sinusoid(timesteps.to(self.dtype), self.config.width)
        return self.t_embedding_norm(sinusoid), self.t_embedder(sinusoid)

    def modulate(self, timesteps: Tensor) -> Modulation:
        """Compute the modulation of all layers for times (B, T) or (B, 1)."""
        embedded = self.embed_timesteps(timesteps)
        return Modulation(
            blocks=torch.stack([block.modulate(*embedded) for block in self.blocks]),
            final=self.final_layer.modulate(*embedded))

    def forward(
        self, latents: Tensor, timesteps: Tensor, text: TextKeysValues, clean_mask: Tensor,
        padding_mask: Tensor | None = None,
    ) -> Tensor:
        """Predict the velocity.

        Args:
            latents: Scaled noisy latents, with clean frames put in. Shape (B, C, T, H, W).
            timesteps: Time of each frame in [0, 1], 0 for clean ones. Shape (B, T) or (B, 1).
            text: Keys and values of the task.
            clean_mask: 1 for clean frames. Shape (B, 1, T, 1, 1), or (B, 1, T, H, W).
            padding_mask: 1 where an image was padded, of any size; none is padded by default.
                Shape (B, 1, rows, columns).

        Returns:
            Velocity in the precision of the weights. Shape (B, C, T, H, W).
        """
        return self.velocity(latents, self.modulate(timesteps), text, clean_mask, padding_mask)

    def velocity(
        self, latents: Tensor, modulation: Modulation, text: TextKeysValues, clean_mask: Tensor,
        padding_mask: Tensor | None = None, *, run_block: Callable[..., Tensor] = Block.__call__,
    ) -> Tensor:
        """Predict the velocity as `forward` does, for times that are already modulation.

        Args:
            latents: As in `forward`.
            modulation: What `modulate` gave for the times.
            text: As in `forward`.
            clean_mask: As in `forward`.
            padding_mask: As in `forward`.
            run_block: Calls a block, given it and its arguments.
        """
        B, _, T, H, W = latents.shape
        p = self.config.patch_size
        x = self.x_embedder(self._with_masks(latents, clean_mask, padding_mask))  # (B, T, S, D)
        if self.positions is not None:
            x = x + self.positions
        rotation = rope_rotation(rope_angles(
            (T, H // p, W // p), self.config.head_dim, self.config.rope_ratios, latents.device))
        for block, part, keys_values in zip(self.blocks, modulation.blocks, text.blocks):
            x = run_block(block, x, part, rotation, keys_values)
        x = self.final_layer(x, modulation.final)
        x = x.reshape(B, T, H // p, W // p, p, p, -1).permute(0, 6, 1, 2, 4, 3, 5)
        return x.reshape(B, -1, T, H, W)

    def _with_masks(
        self, latents: Tensor, clean_mask: Tensor, padding_mask: Tensor | None,
    ) -> Tensor:
        B, _, T, H, W = latents.shape
        if padding_mask is None:
            padding = latents.new_zeros(B, 1, 1, 1, 1)
        else:
            padding = F.interpolate(padding_mask, size=(H, W), mode='nearest')[:, :, None]
        masks = [mask.to(latents.dtype).expand(B, 1, T, H, W) for mask in (clean_mask, padding)]
        return torch.cat((latents, *masks), dim=1).to(self.dtype)  # (B, C + 2, T, H, W)
