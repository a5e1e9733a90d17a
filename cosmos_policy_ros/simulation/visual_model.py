# SPDX-License-Identifier: Apache-2.0
"""A scene to look at: the meshes with fewer triangles, for drawing in half the time.

The cost of a software-rendered image is its triangles, and the meshes of the arms have details far
below a pixel. Vertices closer than `CELL_M` are merged. Physics keeps the meshes as they are.
"""

from __future__ import annotations

import mujoco
import numpy as np

from cosmos_policy_ros.simulation.assets import load_spec
from cosmos_policy_ros.simulation.task import Task

CELL_M = 0.002
# Below this many triangles there is nothing to gain.
_FEW_FACES = 100
_PREFIX = 'light_'


def load_visual_model(task: Task) -> mujoco.MjModel:
    """Compile a task's scene for drawing; its positions mean the same as those of the physics.

    Raises:
        ConfigurationError: If gym-aloha is not installed or lacks the scene.
    """
    spec = load_spec(task.scene)
    task.add_objects(spec)
    model = spec.compile()
    heavy = [mesh.name for mesh in spec.meshes
             if model.mesh_facenum[model.mesh(mesh.name).id] > _FEW_FACES]
    for name in heavy:
        _add_light_mesh(spec, model, name)
    for body in spec.bodies:
        for geom in body.geoms:
            if geom.meshname in heavy:
                geom.meshname = _PREFIX + geom.meshname
    return spec.compile()


def merge_vertices(
    vertices: np.ndarray, faces: np.ndarray, cell_m: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Merge the vertices of each cell of a grid into their mean; drop what becomes flat or double.

    Args:
        vertices: Positions in [m]. Shape (V, 3).
        faces: Indices of each triangle's corners. Shape (F, 3).
        cell_m: Edge of the cells in [m].

    Returns:
        Vertices and faces that are left.
    """
    _, merged = np.unique(np.floor(vertices / cell_m).astype(int), axis=0, return_inverse=True)
    merged = merged.ravel()
    counts = np.bincount(merged)
    means = np.stack([np.bincount(merged, column) / counts for column in vertices.T], axis=1)
    corners = merged[faces]
    first, second, third = corners.T
    corners = corners[(first != second) & (second != third) & (third != first)]
    _, kept = np.unique(np.sort(corners, axis=1), axis=0, return_index=True)
    return means, corners[np.sort(kept)]


def _add_light_mesh(spec: mujoco.MjSpec, model: mujoco.MjModel, name: str) -> None:
    index = model.mesh(name).id
    first_vertex, first_face = model.mesh_vertadr[index], model.mesh_faceadr[index]
    vertices = model.mesh_vert[first_vertex:first_vertex + model.mesh_vertnum[index]]
    faces = model.mesh_face[first_face:first_face + model.mesh_facenum[index]]
    # The compiler moved and turned the mesh into the frame of its inertia.
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[index])
    vertices = vertices @ rotation.reshape(3, 3).T + model.mesh_pos[index]
    vertices, faces = merge_vertices(vertices, faces, CELL_M)
    mesh = spec.add_mesh(name=_PREFIX + name)
    mesh.uservert, mesh.userface = vertices.ravel().tolist(), faces.ravel().tolist()
    # A thinned mesh need not be watertight, and its inertia is not used.
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
