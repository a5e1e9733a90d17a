# SPDX-License-Identifier: Apache-2.0
"""What an episode wants to look like is worn, and taken off again."""

import copy

import numpy as np

from cosmos_policy_ros.simulation.appearance import Appearance, CameraOffset, Dresser


def looks(model):
    return [np.array(value) for value in (
        model.geom_rgba, model.light_diffuse, model.cam_pos, model.cam_quat,
        model.vis.headlight.ambient, model.vis.headlight.diffuse)]


def test_an_appearance_is_worn_and_taken_off(model):
    model = copy.copy(model)
    before, dresser = looks(model), Dresser(model)
    dresser.wear(Appearance(
        colours={'red_box': (0.0, 1.0, 0.0, 1.0)}, light=(0.5,) * (model.nlight + 1),
        cameras={'cam_high': CameraOffset(position_m=(0.01, 0, 0), rotation_rad=(0, 0, 0.1))}))
    assert (model.geom('red_box').rgba == (0, 1, 0, 1)).all()
    assert all((old != new).any() for old, new in zip(before, looks(model)))
    np.testing.assert_allclose(model.light_diffuse, before[1] / 2)
    np.testing.assert_allclose(np.linalg.norm(model.camera('cam_high').quat), 1)
    dresser.wear(Appearance())
    for old, new in zip(before, looks(model)):
        np.testing.assert_array_equal(old, new)


def test_appearances_do_not_add_up(model):
    model = copy.copy(model)
    dresser = Dresser(model)
    dim = Appearance(light=(0.5,) * (model.nlight + 1))
    dresser.wear(dim)
    once = looks(model)
    dresser.wear(Appearance(colours={'table': (1, 1, 1, 1)}))
    dresser.wear(dim)
    for first, second in zip(once, looks(model)):
        np.testing.assert_array_equal(first, second)
