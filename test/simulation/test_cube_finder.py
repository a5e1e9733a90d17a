# SPDX-License-Identifier: Apache-2.0
"""The cube is found within a millimetre or two, or it is said that there is none."""

import cv2
import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.simulation.assets import camera_mount
from cosmos_policy_ros.simulation.cube_finder import CubeFinder
from cosmos_policy_ros.simulation.renderer import CameraRenderer
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='module')
def renderer(model):
    renderer = CameraRenderer(model)
    yield renderer
    renderer.close()


@pytest.fixture
def finder():
    return CubeFinder(camera_mount('cam_high'))


def look(renderer, world, seed):
    world.reset(seed, ALOHA.start_pose)
    truth = world.data.joint('red_box_joint').qpos[:2].copy()
    return renderer.render(world.snapshot(0), 'cam_high'), truth


@pytest.mark.parametrize('seed', range(10))
def test_the_cube_is_found_to_a_millimetre(finder, renderer, world, seed):
    image, truth = look(renderer, world, seed)
    assert np.linalg.norm(finder.find(image) - truth) < 1e-3


@pytest.mark.parametrize('size', [(320, 240), (224, 224), (256, 256)])
def test_a_squeezed_image_will_do(finder, renderer, world, size):
    for seed in range(5):
        image, truth = look(renderer, world, seed)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        assert np.linalg.norm(finder.find(small) - truth) < 3e-3


def test_sensor_noise_does_no_harm(finder, renderer, world):
    image, truth = look(renderer, world, 0)
    noise = np.random.default_rng(0).integers(-12, 13, image.shape)
    noisy = np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)
    assert np.linalg.norm(finder.find(noisy) - truth) < 2e-3


def test_corners_of_the_table_are_found_too(finder, renderer, world):
    for xy in [(0, 0.4), (0.2, 0.4), (0, 0.6), (0.2, 0.6)]:
        world.reset(0, ALOHA.start_pose)
        world.data.joint('red_box_joint').qpos[:2] = xy
        found = finder.find(renderer.render(world.snapshot(0), 'cam_high'))
        assert np.linalg.norm(found - xy) < 1.5e-3


def test_an_image_without_a_cube_is_refused(finder, renderer, world):
    world.reset(0, ALOHA.start_pose)
    world.data.joint('red_box_joint').qpos[:2] = 5.0, 5.0
    with pytest.raises(ObservationError, match="no red cube in 'cam_high'"):
        finder.find(renderer.render(world.snapshot(0), 'cam_high'))


@pytest.mark.parametrize('grey', [0, 128, 255])
def test_a_blank_image_holds_no_cube(finder, grey):
    with pytest.raises(ObservationError):
        finder.find(np.full((480, 640, 3), grey, np.uint8))


def test_blue_where_red_should_be_is_no_cube(finder, renderer, world):
    image, _ = look(renderer, world, 0)
    with pytest.raises(ObservationError):
        finder.find(image[..., ::-1])
