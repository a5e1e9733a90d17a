# SPDX-License-Identifier: Apache-2.0
"""What is drawn looks like what is simulated, with a fraction of the triangles."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.simulation.renderer import CameraRenderer
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.simulation.visual_model import load_visual_model, merge_vertices


@pytest.fixture(scope='module')
def visual():
    return load_visual_model(TransferCube())


def test_positions_mean_the_same(visual, model):
    assert (visual.nq, visual.ncam) == (model.nq, model.ncam)
    assert (visual.jnt_qposadr == model.jnt_qposadr).all()


def drawn_faces(model):
    return sum(model.mesh_facenum[index] for index in model.geom_dataid if index >= 0)


def test_most_triangles_are_gone(visual, model):
    assert drawn_faces(visual) < 0.5 * drawn_faces(model)


@pytest.mark.parametrize('camera', ['cam_high', 'cam_left_wrist'])
def test_hardly_a_pixel_differs(visual, model, world, camera):
    images = []
    for shown in (visual, model):
        renderer = CameraRenderer(shown, width=160, height=120)
        images.append(renderer.render(world.snapshot(0), camera).astype(int))
        renderer.close()
    differs = np.abs(images[0] - images[1]).max(axis=-1) > 40
    assert differs.mean() < 0.02


CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
FACES = np.array([[0, 1, 3], [0, 3, 2], [4, 5, 7], [4, 7, 6]])


@given(scale=st.floats(0.5, 10))
def test_a_mesh_coarser_than_the_grid_is_left_alone(scale):
    vertices, faces = merge_vertices(CUBE * scale, FACES, cell_m=0.1)
    assert len(vertices) == 8 and len(faces) == 4
    areas = [np.linalg.norm(np.cross(b - a, c - a)) / 2 for a, b, c in vertices[faces]]
    np.testing.assert_allclose(areas, scale**2 / 2)


def test_a_mesh_smaller_than_a_cell_vanishes():
    vertices, faces = merge_vertices(CUBE * 0.01 + 0.5, FACES, cell_m=1.0)
    assert len(vertices) == 1 and len(faces) == 0
