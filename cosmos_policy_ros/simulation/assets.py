# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo scene: gym-aloha's models as installed, with ALOHA's four cameras added.

Provenance: the MJCF and STL files are those of the `gym-aloha` distribution (Apache-2.0; its
ViperX 300 meshes go back to Interbotix). They are read from where pip put them and are neither
copied into this package nor changed on disk; `gym_aloha` itself is never imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError

INSTALL_HINT = 'pip install --no-deps gym-aloha==0.1.5'


@dataclass(frozen=True, kw_only=True)
class CameraMount:
    """Where a camera sits and where it looks, in the frame of the body that carries it.

    Attributes:
        name: Name of the camera.
        body: Body that carries it; `world` for a fixed camera.
        position_m: Position of the camera in [m].
        target_m: Point in the middle of the image in [m].
        up: Direction that points up in the image.
        fovy_deg: Vertical field of view in [deg].
    """

    name: str
    body: str
    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    up: tuple[float, float, float]
    fovy_deg: float


def _wrist(side: str) -> CameraMount:
    return CameraMount(
        name=f'cam_{side}_wrist', body=f'vx300s_{side}/gripper_link',
        position_m=(0.03, 0.0, 0.12), target_m=(0.17, 0.0, -0.01), up=(0.0, 0.0, 1.0),
        fovy_deg=65.0)


CAMERA_MOUNTS = (
    CameraMount(name='cam_high', body='world', position_m=(0.0, 0.22, 0.85),
                target_m=(0.0, 0.50, 0.05), up=(0.0, 1.0, 0.0), fovy_deg=46.0),
    CameraMount(name='cam_low', body='world', position_m=(0.0, -0.10, 0.30),
                target_m=(0.0, 0.55, 0.14), up=(0.0, 0.0, 1.0), fovy_deg=52.0),
    _wrist('left'),
    _wrist('right'),
)


def camera_mount(name: str) -> CameraMount:
    """Return the mount of that camera.

    Raises:
        ConfigurationError: If there is no such camera.
    """
    for mount in CAMERA_MOUNTS:
        if mount.name == name:
            return mount
    raise ConfigurationError(f'unknown camera {name!r}; known: '
                             f'{", ".join(mount.name for mount in CAMERA_MOUNTS)}')


def assets_path() -> Path:
    """Folder of gym-aloha's MJCF and STL files.

    Raises:
        ConfigurationError: If gym-aloha is not installed.
    """
    package = find_spec('gym_aloha')
    if package is None or package.origin is None:
        raise ConfigurationError(
            f'the simulation needs the model files of gym-aloha; install them: {INSTALL_HINT}')
    return Path(package.origin).parent / 'assets'


def load_model(scene: str) -> mujoco.MjModel:
    """Compile one of gym-aloha's scenes with the ALOHA cameras and fast rendering.

    Args:
        scene: File name, for example `bimanual_viperx_transfer_cube.xml`.

    Raises:
        ConfigurationError: If gym-aloha is not installed or has no such scene.
    """
    return load_spec(scene).compile()


def load_spec(scene: str) -> mujoco.MjSpec:
    """Read a scene as `load_model` does, still to be compiled.

    Raises:
        ConfigurationError: If gym-aloha is not installed or has no such scene.
    """
    path = assets_path() / scene
    if not path.is_file():
        raise ConfigurationError(f'no scene {scene!r} in {path.parent}')
    spec = mujoco.MjSpec.from_file(str(path))
    # Shadows and multisampling are nine tenths of the cost of a software-rendered image.
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = 0
    spec.visual.map.znear = 0.005
    for mount in CAMERA_MOUNTS:
        _add_camera(spec, mount)
    return spec


def look_at_rotation(mount: CameraMount) -> np.ndarray:
    """Rotation of a camera whose view axis is its -z and whose image up is its y. Shape (3, 3)."""
    back = np.subtract(mount.position_m, mount.target_m)
    back = back / np.linalg.norm(back)
    right = np.cross(mount.up, back)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


def _add_camera(spec: mujoco.MjSpec, mount: CameraMount) -> None:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, look_at_rotation(mount).ravel())
    body = spec.worldbody if mount.body == 'world' else spec.body(mount.body)
    body.add_camera(name=mount.name, pos=mount.position_m, quat=quaternion, fovy=mount.fovy_deg)
