# SPDX-License-Identifier: Apache-2.0
"""Changes of images."""

from dataclasses import replace

import numpy as np
import torch

from cosmos_policy_ros.training.augmentation import (
    augment, Change, change_images, draw_change, RANGES)

NONE = Change(top=0, left=0, side=32, angle_deg=0.0, brightness=1.0, contrast=1.0,
              saturation=1.0, hue=0.0)


def random_images(*shape):
    """Random images."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_the_change_of_nothing_changes_nothing():
    images = random_images(2, 3, 32, 32)
    assert (change_images(images, NONE).int() - images.int()).abs().max() <= 1


def test_all_images_of_a_sample_are_changed_alike_and_other_samples_otherwise():
    images = random_images(1, 1, 32, 32, 3).expand(2, 6, 32, 32, 3)
    changed = augment(images, 'strong', np.array([1, 2]))
    assert all(torch.equal(changed[0, 0], changed[0, i]) for i in range(6))
    assert not torch.equal(changed[0], changed[1])


def test_black_stays_black():
    black = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    change = draw_change(np.random.default_rng(0), RANGES['strong'], 32)
    assert (change_images(black, change) == 0).all()


def test_a_full_turn_of_the_hue_is_none_and_a_third_makes_red_green():
    red = torch.tensor([200, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).repeat(1, 1, 32, 32)
    assert torch.equal(change_images(red, replace(NONE, hue=1.0)), red)
    green = change_images(red, replace(NONE, hue=1 / 3))[0, :, 0, 0]
    assert green.tolist() == [0, 200, 0]


def test_without_saturation_colours_are_grey():
    grey = change_images(random_images(1, 3, 32, 32), replace(NONE, saturation=0.0)).int()
    assert (grey[:, 0] - grey[:, 2]).abs().max() <= 1
