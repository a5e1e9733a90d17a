# SPDX-License-Identifier: Apache-2.0
"""Random changes of the images of a sample, the same for all of them.

Every step works on whole numbers, as image libraries do, and rounds as they do.

Legend: B batch, F images of a sample, S image side.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cosmos_policy_ros.policy.preprocessing import crop_and_restore, CROP_AREA

_GREY = (0.2989, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """How far images are changed.

    Attributes:
        rotation_deg: Largest turn in [deg].
        brightness: Largest deviation of the factor of brightness from 1.
        contrast: The same of contrast.
        saturation: The same of colour saturation.
        hue: Largest turn of the hue, 1 being all the way round.
    """

    rotation_deg: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


RANGES: dict[str, Ranges | None] = {
    'none': None,
    'weak': Ranges(rotation_deg=0.0, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05),
    'strong': Ranges(rotation_deg=5.0, brightness=0.3, contrast=0.4, saturation=0.5, hue=0.05)}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of images.

    Attributes:
        top: First row of the crop.
        left: First column of the crop.
        side: Side of the crop in [px].
        angle_deg: Turn in [deg], counterclockwise.
        brightness: Factor of brightness.
        contrast: Factor of contrast.
        saturation: Factor of colour saturation.
        hue: Turn of the hue, 1 being all the way round.
    """

    top: int
    left: int
    side: int
    angle_deg: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


def augment(images: Tensor, name: str, seeds: np.ndarray) -> Tensor:
    """Crop the images of samples, and change them at random if asked to.

    Args:
        images: Square images before the crop. Shape (B, F, S, S, 3), uint8.
        name: Which of `RANGES`; `none` crops as inference does.
        seeds: Seed of each sample's change. Shape (B,).

    Returns:
        Images of the same shape and dtype.
    """
    ranges = RANGES[name]
    if ranges is None:
        return crop_and_restore(images.flatten(0, 1)).view_as(images)
    changed = [change_images(sample.permute(0, 3, 1, 2), draw_change(
        np.random.default_rng(int(seed)), ranges, images.shape[2]))
        for sample, seed in zip(images, seeds)]
    return torch.stack(changed).permute(0, 1, 3, 4, 2)


def draw_change(random: np.random.Generator, ranges: Ranges, size: int) -> Change:
    """Draw a change for square images of that side."""
    side = round(size * math.sqrt(CROP_AREA))
    top, left = random.integers(0, size - side + 1, 2)
    return Change(
        top=int(top), left=int(left), side=side,
        angle_deg=random.uniform(-ranges.rotation_deg, ranges.rotation_deg),
        hue=random.uniform(-ranges.hue, ranges.hue),
        **{name: 1 + random.uniform(-getattr(ranges, name), getattr(ranges, name))
           for name in ('brightness', 'contrast', 'saturation')})


def change_images(images: Tensor, change: Change) -> Tensor:
    """Apply a change to images (F, 3, S, S), uint8: crop, turn, then colours in this order."""
    rows = slice(change.top, change.top + change.side)
    columns = slice(change.left, change.left + change.side)
    x = F.interpolate(images[:, :, rows, columns].float(), size=images.shape[2:],
                      mode='bilinear', antialias=True).round()
    if change.angle_deg:
        x = _rotate(x, change.angle_deg)
    x = (change.brightness * x).clamp(0, 255).floor()
    mean = _grey(x).floor().mean(dim=(1, 2, 3), keepdim=True)
    x = (change.contrast * x + (1 - change.contrast) * mean).clamp(0, 255).floor()
    x = (change.saturation * x + (1 - change.saturation) * _grey(x).floor()).clamp(0, 255).floor()
    return _turn_hue(x, change.hue).to(torch.uint8)


def _grey(x: Tensor) -> Tensor:
    return (x * x.new_tensor(_GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _rotate(x: Tensor, angle_deg: float) -> Tensor:
    """Turn images about their centre, each pixel taking its nearest; black comes in."""
    angle = math.radians(angle_deg)
    matrix = x.new_tensor([[math.cos(angle), -math.sin(angle), 0.0],
                           [math.sin(angle), math.cos(angle), 0.0]])
    grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode='nearest', align_corners=False)


def _turn_hue(x: Tensor, turn: float) -> Tensor:
    """Turn the hue; value and saturation stay."""
    x = x / 255
    highest, lowest = x.amax(dim=1), x.amin(dim=1)
    spread = highest - lowest
    saturation = spread / highest.clamp(min=1e-12)
    divisor = torch.where(spread == 0, 1.0, spread)[:, None]
    red, green, blue = ((highest[:, None] - x) / divisor).unbind(1)
    hue = torch.where(x[:, 0] == highest, blue - green,
                      torch.where(x[:, 1] == highest, 2 + red - blue, 4 + green - red))
    hue = torch.where(spread == 0, 0.0, hue / 6) + turn
    sectors = hue.new_tensor([5, 3, 1]).view(1, 3, 1, 1) + 6 * hue[:, None]
    ramp = sectors % 6
    share = torch.minimum(ramp, 4 - ramp).clamp(0, 1)
    return (255 * highest[:, None] * (1 - saturation[:, None] * share)).clamp(0, 255).round()
