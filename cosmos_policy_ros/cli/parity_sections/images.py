# SPDX-License-Identifier: Apache-2.0
"""Parity of the image preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
import re

import numpy as np
import torch

from cosmos_policy_ros.cli.parity_sections.golden import GoldenSection
from cosmos_policy_ros.policy.preprocessing import (
    crop_and_restore, jpeg_round_trip, resize_image)
from cosmos_policy_ros.training.augmentation import Change, change_images


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['images']
    for name in list(section.arrays):
        if match := re.fullmatch(r'(.*resize.*)\.out(\d+)', name):
            section.attempt(name, lambda: _resize(section, name, match[1], int(match[2])))
        elif name.startswith('crop') and name.endswith('.in'):
            section.attempt(name, lambda: section.compare(
                name.removesuffix('in') + 'out', crop_and_restore(section.input(name)),
                section.tolerance('uint8')))
        elif name.startswith('full') and name.endswith('.in'):
            section.attempt(name, lambda: _full(section, name))
        elif name.startswith('jpeg') and name.endswith('.in'):
            section.attempt(name, lambda: section.compare(
                name.removesuffix('in') + 'out',
                np.stack([jpeg_round_trip(image) for image in section.input(name).numpy()]),
                section.tolerance('jpeg')))
        elif name.startswith('aug.') and name.endswith('.params'):
            section.attempt(name, lambda: _augment(section, name))


def _resize(section: GoldenSection, name: str, case: str, size_px: int) -> None:
    images = section.input(f'{case}.in').numpy()
    section.compare(name, np.stack([resize_image(image, size_px) for image in images]),
                    section.tolerance('uint8'))


def _full(section: GoldenSection, name: str) -> None:
    target = name.removesuffix('in') + 'out'
    square = resize_image(section.input(name).numpy(), section.arrays[target].shape[0])
    section.compare(target, crop_and_restore(torch.from_numpy(square.copy())[None])[0],
                    section.tolerance('uint8'))


def _augment(section: GoldenSection, name: str) -> None:
    top, left, side, _, *colours = section.input(name).tolist()
    change = Change(top=int(top), left=int(left), side=int(side), **dict(zip(
        ('angle_deg', 'brightness', 'contrast', 'saturation', 'hue'), colours)))
    changed = change_images(section.input('aug.in').permute(0, 3, 1, 2), change)  # (T, 3, H, W)
    section.compare(name.removesuffix('params') + 'out', changed.transpose(0, 1),
                    section.tolerance('aug'))
