# SPDX-License-Identifier: Apache-2.0
"""Sensor noise: never twice the same, never far from the image, repeatable for a seed."""

import numpy as np

from cosmos_policy_ros.simulation.sensor_noise import SensorNoise


def noisy(count, seed=0, level=100):
    """Return noisy versions of one flat image."""
    noise = SensorNoise(width=64, height=48, amplitude=2, seed=seed)
    return [noise.add_to(np.full((48, 64, 3), level, np.uint8)) for _ in range(count)]


def test_no_two_images_are_the_same():
    images = noisy(20)
    assert all(not np.array_equal(a, b) for a, b in zip(images, images[1:]))


def test_noise_stays_within_its_amplitude_and_never_wraps_around():
    assert all(100 <= image.min() and image.max() <= 102 for image in noisy(5))
    assert all(image.min() == 255 for image in noisy(3, level=255))


def test_the_same_seed_gives_the_same_images():
    assert np.array_equal(noisy(3), noisy(3)) and not np.array_equal(noisy(3), noisy(3, seed=1))
