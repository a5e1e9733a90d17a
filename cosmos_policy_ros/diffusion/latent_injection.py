# SPDX-License-Identifier: Apache-2.0
"""Writing vectors into latent frames and reading them back.

Legend: B batch, C channels, T latent frames, H W latent size, N numbers of a vector.
A `frame` is one index for the whole batch, or one per sample as an integer tensor of shape (B,).
"""

from __future__ import annotations

import torch
from torch import Tensor


def tile_vector(vectors: Tensor, frame_shape: tuple[int, ...]) -> Tensor:
    """Fill frames with copies of a vector, the last one cut off where the frame ends.

    Args:
        vectors: One vector per sample, row-major in any shape after the first axis. (B, ...).
        frame_shape: Shape of one frame: (C, H, W).

    Returns:
        Frames of shape (B, C, H, W).
    """
    vectors = vectors.flatten(1)  # (B, N)
    capacity = torch.Size(frame_shape).numel()
    copies = -(-capacity // vectors.shape[1])
    return vectors.repeat(1, copies)[:, :capacity].reshape(-1, *frame_shape)  # (B, C, H, W)


def inject_vector(latents: Tensor, vectors: Tensor, frame: int | Tensor) -> Tensor:
    """Return `latents` (B, C, T, H, W) with a frame replaced by copies of `vectors` (B, ...)."""
    B, C, _, H, W = latents.shape
    injected = latents.clone()
    tiled = tile_vector(vectors.to(latents.dtype), (C, H, W))
    injected[_samples(latents), :, _per_sample(latents, frame)] = tiled.expand(B, C, H, W)
    return injected


def inject_value(latents: Tensor, values: Tensor, frame: int | Tensor) -> Tensor:
    """Return `latents` (B, C, T, H, W) with a frame filled with one number per sample (B,)."""
    return inject_vector(latents, values[:, None], frame)


def extract_vector(latents: Tensor, frame: int | Tensor, length: int) -> Tensor:
    """Read vectors back: the mean over their complete copies in a frame.

    Args:
        latents: Latent sequence. Shape (B, C, T, H, W).
        frame: Where the vectors are.
        length: Numbers of a vector.

    Returns:
        Vectors of shape (B, length).
    """
    flat = _frame(latents, frame).flatten(1)  # (B, C * H * W)
    copies = flat.shape[1] // length
    return flat[:, :copies * length].reshape(-1, copies, length).mean(dim=1)  # (B, length)


def extract_value(latents: Tensor, frame: int | Tensor) -> Tensor:
    """Read values in [-1, 1] back: the mean over a frame. Shape (B,)."""
    return extract_vector(latents, frame, 1)[:, 0]


def value_from_latent(value: Tensor) -> Tensor:
    """Map a value as the network writes it, [-1, 1], to [0, 1], clipped."""
    return ((value + 1) / 2).clamp(0, 1)


def _samples(latents: Tensor) -> Tensor:
    return torch.arange(len(latents), device=latents.device)


def _per_sample(latents: Tensor, frame: int | Tensor) -> Tensor:
    frame = torch.as_tensor(frame, device=latents.device)
    return frame.expand(len(latents))


def _frame(latents: Tensor, frame: int | Tensor) -> Tensor:
    return latents[_samples(latents), :, _per_sample(latents, frame)]  # (B, C, H, W)
