# SPDX-License-Identifier: Apache-2.0
"""A camera is frozen when new stamps bring no new content."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.robot.frozen_image import FrozenImageWatch


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def test_same_content_under_new_stamps_is_counted():
    watch, image = FrozenImageWatch(), _noise(0)
    assert [watch.update(image.copy(), stamp) for stamp in (1, 2, 3)] == [0, 1, 2]


def test_same_stamp_again_counts_nothing():
    watch, image = FrozenImageWatch(), _noise(0)
    assert [watch.update(image, stamp) for stamp in (1, 1, 1, 2, 2)] == [0, 0, 0, 1, 1]


def test_bytes_of_messages_are_watched_as_well_as_pixels():
    watch, message = FrozenImageWatch(), _noise(0).reshape(-1)
    assert [watch.update(message.copy(), stamp) for stamp in (1, 2)] == [0, 1]
    assert watch.update(_noise(1).reshape(-1), 3) == 0 == watch.num_identical


def test_new_content_starts_the_count_again():
    watch = FrozenImageWatch()
    images = (_noise(0), _noise(0), _noise(1), _noise(1), _noise(0))
    assert [watch.update(image, stamp) for stamp, image in enumerate(images)] == [0, 1, 0, 1, 0]


def test_sensor_noise_of_one_level_is_enough_to_live():
    watch = FrozenImageWatch()
    still = np.full((480, 640, 3), 100, dtype=np.uint8)
    noisy = still + (_noise(3) > 250)
    watch.update(still, 1)
    assert watch.update(noisy.astype(np.uint8), 2) == 0
