# SPDX-License-Identifier: Apache-2.0
"""The scene: found where pip put it, with ALOHA's cameras."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation import assets
from cosmos_policy_ros.spec.aloha import ALOHA

COORDINATES = st.tuples(*[st.floats(-1, 1)] * 3)


def test_the_scene_has_every_camera_of_the_robot(model):
    for camera in ALOHA.cameras:
        assert model.camera(camera.name).fovy[0] == assets.camera_mount(camera.name).fovy_deg


def test_fast_rendering_is_on(model):
    assert model.vis.quality.shadowsize == 0
    assert model.vis.quality.offsamples == 0


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(assets, 'find_spec', lambda name: None)
    with pytest.raises(ConfigurationError, match='pip install --no-deps gym-aloha'):
        assets.load_model('bimanual_viperx_transfer_cube.xml')


def test_an_unknown_scene_is_refused():
    with pytest.raises(ConfigurationError, match='kitchen.xml'):
        assets.load_model('kitchen.xml')


def test_an_unknown_camera_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match='cam_side.*cam_high'):
        assets.camera_mount('cam_side')


@given(position=COORDINATES, target=COORDINATES)
def test_a_camera_looks_at_its_target_with_an_upright_image(position, target):
    view = np.subtract(target, position)
    if np.linalg.norm(np.cross(view, (0, 0, 1))) < 1e-3:
        return
    rotation = assets.look_at_rotation(assets.CameraMount(
        name='any', body='world', position_m=position, target_m=target, up=(0, 0, 1),
        fovy_deg=60))
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(-rotation[:, 2] * np.linalg.norm(view), view, atol=1e-9)
    assert np.linalg.det(rotation) > 0
    assert rotation[2, 0] == pytest.approx(0, abs=1e-9)
    assert rotation[2, 1] > 0
