# SPDX-License-Identifier: Apache-2.0
"""How a scene looks in one episode: colours, light and where the cameras really are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import mujoco
import numpy as np


@dataclass(frozen=True, kw_only=True)
class CameraOffset:
    """How a camera is mounted away from where it should be.

    Attributes:
        position_m: Offset in the frame of its body in [m].
        rotation_rad: Rotation vector in its own frame in [rad].
    """

    position_m: tuple[float, float, float]
    rotation_rad: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """What differs from the scene as it is loaded; nothing by default.

    Attributes:
        colours: Geom to its colour, red green blue alpha, each 0 to 1.
        light: Brightness of each light and, last, of the camera's own; empty for unchanged.
        cameras: Camera to its offset.
    """

    colours: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    light: tuple[float, ...] = ()
    cameras: Mapping[str, CameraOffset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ('colours', 'cameras'):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


class Dresser:
    """Makes a renderer's own model look as an episode wants it."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Remember how the model looks."""
        self._model = model
        self._worn = Appearance()
        self._originals = {name: getattr(model, name).copy() for name in (
            'geom_rgba', 'light_diffuse', 'cam_pos', 'cam_quat')}
        self._headlight = {name: np.array(getattr(model.vis.headlight, name))
                           for name in ('ambient', 'diffuse')}

    def wear(self, appearance: Appearance) -> None:
        """Change the model; costs nothing while the appearance stays the same."""
        if appearance is self._worn or appearance == self._worn:
            return
        self._worn = appearance
        for name, value in self._originals.items():
            getattr(self._model, name)[:] = value
        for geom, rgba in appearance.colours.items():
            self._model.geom(geom).rgba[:] = rgba
        self._set_light(appearance.light or (1.0,) * (self._model.nlight + 1))
        for camera, offset in appearance.cameras.items():
            self._move_camera(self._model.camera(camera).id, offset)

    def _set_light(self, brightness: tuple[float, ...]) -> None:
        self._model.light_diffuse[:] *= np.array(brightness[:-1])[:, None]
        for name, value in self._headlight.items():
            getattr(self._model.vis.headlight, name)[:] = value * brightness[-1]

    def _move_camera(self, index: int, offset: CameraOffset) -> None:
        self._model.cam_pos[index] += offset.position_m
        quaternion = self._originals['cam_quat'][index].copy()
        mujoco.mju_quatIntegrate(quaternion, np.array(offset.rotation_rad), 1.0)
        self._model.cam_quat[index] = quaternion
