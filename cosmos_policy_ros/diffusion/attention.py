# SPDX-License-Identifier: Apache-2.0
"""Attention, rotary embedding and RMS norm as pure functions.

Legend: B batch, L tokens, N heads, E channels of a head; T H W time, height, width in patches.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NORM_EPS = 1e-6

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of rotary angles, each of shape (L, 1, E / 2)."""


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Divide by the root mean square over the last axis, in float32, and scale by `weight`."""
    normalised = F.rms_norm(x.float(), weight.shape, weight.float(), NORM_EPS)
    return normalised.to(x.dtype)


def rope_angles(
    grid: tuple[int, int, int], head_dim: int, ratios: tuple[float, ...],
    device: torch.device | None = None,
) -> Tensor:
    """Compute the rotation angle of every token and frequency.

    Args:
        grid: Number of patches (T, H, W).
        head_dim: Channels of a head, E.
        ratios: Extrapolation ratios along time, height, width.
        device: Where the angles are needed.

    Returns:
        Angles in [rad], tokens in row-major (T, H, W) order. Shape (L, E / 2), float32.
    """
    spatial_dim = head_dim // 6 * 2
    dims = (head_dim - 2 * spatial_dim, spatial_dim, spatial_dim)
    axes = [_axis_angles(size, dim, ratio, device)
            for size, dim, ratio in zip(grid, dims, ratios)]
    expanded = [
        angles.reshape([-1 if axis == i else 1 for i in range(3)] + [angles.shape[-1]])
        .expand(*grid, -1) for axis, angles in enumerate(axes)]
    return torch.cat(expanded, dim=-1).flatten(0, 2)  # (L, E / 2)


def _axis_angles(
    size: int, dim: int, ratio: float, device: torch.device | None,
) -> Tensor:
    exponents = torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim
    theta = 10000.0 * ratio**(dim / (dim - 2)) if dim > 2 else 10000.0
    positions = torch.arange(size, dtype=torch.float32, device=device)
    return positions[:, None] / theta**exponents  # (size, dim / 2)


def rope_rotation(angles: Tensor) -> Rotation:
    """Return cosines and sines of angles (L, E / 2), ready for `apply_rope`."""
    return angles.cos()[:, None, :], angles.sin()[:, None, :]  # (L, 1, E / 2)


def apply_rope(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate channel i together with channel i + E/2, in float32.

    Args:
        x: Queries or keys. Shape (B, L, N, E).
        rotation: Cosines and sines of the angles.

    Returns:
        Rotated `x`, in its dtype.
    """
    cos, sin = rotation
    first, second = x.float().chunk(2, dim=-1)
    rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return rotated.to(x.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attend without a mask, at scale 1 / sqrt(E).

    Args:
        queries: Shape (B, L, N, E).
        keys: Shape (B, M, N, E), or (1, M, N, E) where the batch shares them.
        values: As `keys`.

    Returns:
        Shape (B, L, N * E).
    """
    B = queries.shape[0]
    q, k, v = (x.expand(B, -1, -1, -1).transpose(1, 2) for x in (queries, keys, values))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, L, N * E)
