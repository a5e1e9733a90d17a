# SPDX-License-Identifier: Apache-2.0
"""Image preprocessing: golden vectors, camera order, and refusal of missing cameras."""

from dataclasses import replace

import numpy as np
from PIL import Image
import pytest
import torch

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.policy.preprocessing import (
    cameras_for_views, crop_and_restore, jpeg_round_trip, preprocess_images, resize_image)

CAMERAS = ('cam_left_wrist', 'cam_right_wrist', 'cam_high')


def plain_images(size=32):
    """One uniform image per camera, each of its own brightness."""
    return {camera: np.full((size, size, 3), 50 * (i + 1), dtype=np.uint8)
            for i, camera in enumerate(CAMERAS)}


def test_cropping_is_the_golden_one_bit_by_bit(golden):
    arrays = golden('images')
    assert torch.equal(crop_and_restore(arrays['crop.in']), arrays['crop.out'])


@pytest.mark.parametrize('size', [32, 56])
def test_resizing_is_the_golden_one(golden, size):
    arrays = golden('images')
    resized = [resize_image(image, size) for image in arrays['resize.in'].numpy()]
    difference = np.abs(np.stack(resized).astype(int) - arrays[f'resize.out{size}'].numpy())
    assert difference.max() <= 1 and (difference > 0).mean() <= 0.02


def test_a_camera_image_is_resized_for_the_released_models_without_a_short_cut():
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    plain = Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC)
    assert np.array_equal(resize_image(image, 256), np.asarray(plain))


def test_an_image_that_shrinks_a_lot_stays_close_to_plain_bicubic():
    rows, columns = np.mgrid[:480, :640]
    image = np.stack([np.hypot(rows - 200, columns - 300) < 150] * 3, axis=-1) * np.uint8(200)
    plain = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC))
    difference = np.abs(resize_image(image, 96).astype(int) - plain)
    assert difference.max() <= 16 and difference.mean() < 0.5


def test_an_image_of_the_right_size_is_not_resized():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert resize_image(image, 32) is image


def test_views_map_to_cameras_in_order():
    assert cameras_for_views(('left_wrist', 'right_wrist', 'primary')) == CAMERAS


def test_a_view_without_a_camera_is_refused_by_name():
    with pytest.raises(ConfigurationError, match='secondary'):
        cameras_for_views(('primary', 'secondary'))


def test_images_come_in_the_order_asked_for_and_uniform_ones_stay_as_they_are(tiny_config):
    views = preprocess_images(plain_images(48), CAMERAS, tiny_config)
    assert views.shape == (3, 32, 32, 3) and views.dtype == torch.uint8
    assert [view.unique().tolist() for view in views] == [[50], [100], [150]]


def test_the_crop_takes_the_centre():
    image = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    image[:, 2:62, 2:62] = 255
    assert crop_and_restore(torch.from_numpy(image)).unique().tolist() == [255]
    image[:, 2] = 0
    assert crop_and_restore(torch.from_numpy(image))[:, 0].max() < 255


def test_a_missing_camera_is_refused_with_what_there_is(tiny_config):
    images = plain_images()
    del images['cam_high']
    with pytest.raises(ObservationError, match='no image of cam_high.*holds cam_left_wrist'):
        preprocess_images(images, CAMERAS, tiny_config)


@pytest.mark.parametrize('change', [{'camera_resize_px': 40}, {'jpeg_round_trip': True}])
def test_the_stored_form_of_the_training_images_is_reproduced(tiny_config, change):
    random = np.random.default_rng(0)
    images = {camera: random.integers(0, 256, (48, 64, 3), dtype=np.uint8) for camera in CAMERAS}
    plain = preprocess_images(images, CAMERAS, tiny_config)
    stored = preprocess_images(images, CAMERAS, replace(tiny_config, **change))
    assert stored.shape == plain.shape and not torch.equal(stored, plain)


def test_a_jpeg_round_trip_is_close_but_not_exact():
    gradient = np.linspace(0, 255, 64).astype(np.uint8)
    image = np.stack([np.tile(gradient, (64, 1))] * 3, axis=-1)
    difference = np.abs(jpeg_round_trip(image).astype(int) - image)
    assert 0 < difference.max() < 12
