# SPDX-License-Identifier: Apache-2.0
"""Camera images: shape, content, threads, and what to install when OpenGL is missing."""

import threading

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, RobotError
from cosmos_policy_ros.simulation import renderer as renderer_module
from cosmos_policy_ros.simulation.renderer import CameraRenderer, choose_gl_backend
from cosmos_policy_ros.spec.aloha import ALOHA

CAMERAS = [camera.name for camera in ALOHA.cameras]


@pytest.fixture
def renderer(model):
    renderer = CameraRenderer(model, width=160, height=120)
    yield renderer
    renderer.close()


def red_pixels(image):
    return int(((image[..., 0] > 120) & (image[..., 1] < 60)).sum())


@pytest.mark.parametrize('camera', CAMERAS)
def test_an_image_is_rgb_of_the_asked_size_and_not_blank(renderer, world, camera):
    image = renderer.render(world.snapshot(0), camera)
    assert image.shape == (120, 160, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.std() > 10


@pytest.mark.parametrize('camera', ['cam_high', 'cam_low'])
def test_the_red_cube_is_red_in_rgb_order(renderer, world, camera):
    assert red_pixels(renderer.render(world.snapshot(0), camera)) > 15


def test_one_state_gives_one_image(renderer, world):
    first = renderer.render(world.snapshot(0), 'cam_high')
    renderer.render(world.snapshot(0), 'cam_low')
    assert (renderer.render(world.snapshot(1), 'cam_high') == first).all()


def test_the_image_follows_the_state(renderer, world):
    first = renderer.render(world.snapshot(0), 'cam_high')
    world.reset(1, ALOHA.start_pose)
    assert (renderer.render(world.snapshot(0), 'cam_high') != first).any()


def test_the_image_is_upright(renderer, world):
    """The far edge of the table is at the top of cam_high, the near edge at the bottom."""
    world.data.joint('red_box_joint').qpos[:2] = 0.0, 0.65
    far = np.argwhere(renderer.render(world.snapshot(0), 'cam_high')[..., 0] > 200)[:, 0].mean()
    world.data.joint('red_box_joint').qpos[:2] = 0.0, 0.35
    near = np.argwhere(renderer.render(world.snapshot(0), 'cam_high')[..., 0] > 200)[:, 0].mean()
    assert far < near


def test_rendering_leaves_the_world_alone(renderer, world):
    before = world.data.qpos.copy()
    renderer.render(world.snapshot(0), 'cam_high')
    assert (world.data.qpos == before).all()


def test_a_second_thread_is_refused(renderer, world):
    renderer.render(world.snapshot(0), 'cam_high')
    failures = []

    def render():
        try:
            renderer.render(world.snapshot(0), 'cam_high')
        except RobotError as error:
            failures.append(str(error))

    thread = threading.Thread(target=render)
    thread.start()
    thread.join(10)
    assert failures == ['the renderer belongs to the thread of its first image']


def test_a_renderer_made_here_may_render_in_another_thread(model, world):
    renderer, images = CameraRenderer(model, width=64, height=48), []

    def render():
        images.append(renderer.render(world.snapshot(0), 'cam_high'))
        renderer.close()

    thread = threading.Thread(target=render)
    thread.start()
    thread.join(10)
    assert images[0].shape == (48, 64, 3)


def test_a_closed_renderer_opens_again(renderer, world):
    first = renderer.render(world.snapshot(0), 'cam_high')
    renderer.close()
    assert (renderer.render(world.snapshot(0), 'cam_high') == first).all()


def test_an_unknown_camera_is_refused_with_the_known_ones(renderer, world):
    with pytest.raises(ConfigurationError, match='cam_side.*cam_high'):
        renderer.render(world.snapshot(0), 'cam_side')


@pytest.mark.parametrize(('width', 'height'), [(0, 48), (64, -1), (641, 480), (640, 481)])
def test_an_impossible_size_is_refused(model, width, height):
    with pytest.raises(ConfigurationError, match=f'{width}x{height}'):
        CameraRenderer(model, width=width, height=height)


def test_egl_is_preferred_to_osmesa(monkeypatch):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(renderer_module, 'find_library', lambda name: f'lib{name}.so')
    assert choose_gl_backend() == 'egl'


def test_osmesa_is_taken_where_egl_is_missing(monkeypatch):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(renderer_module, 'find_library',
                        lambda name: 'libOSMesa.so' if name == 'OSMesa' else None)
    assert choose_gl_backend() == 'osmesa'


def test_a_set_mujoco_gl_is_respected(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'osmesa')
    assert choose_gl_backend() == 'osmesa'


def test_a_window_system_backend_is_refused(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'glfw')
    with pytest.raises(ConfigurationError, match='egl, osmesa'):
        choose_gl_backend()


def test_without_any_library_the_debian_packages_are_named(monkeypatch, model, world):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(renderer_module, 'find_library', lambda name: None)
    with pytest.raises(ConfigurationError, match='libegl1 libgl1-mesa-dri.*libosmesa6'):
        CameraRenderer(model, width=64, height=48).render(world.snapshot(0), 'cam_high')


def test_a_library_that_does_not_work_is_named_with_the_packages(monkeypatch, model, world):
    monkeypatch.setattr(renderer_module, 'choose_gl_backend', lambda: 'nowhere')
    with pytest.raises(ConfigurationError, match="'nowhere' does not work.*libosmesa6"):
        CameraRenderer(model, width=64, height=48).render(world.snapshot(0), 'cam_high')
