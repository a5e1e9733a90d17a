# SPDX-License-Identifier: Apache-2.0
"""Camera images of the simulated robot, drawn off screen.

    renderer = CameraRenderer(model, width=640, height=480)    # cheap; any thread
    image = renderer.render(snapshot, 'cam_high')              # (480, 640, 3) uint8 RGB
    renderer.close()

The OpenGL context is made by the first `render` and belongs to that thread: render and close from
one thread only. The renderer has its own MjData, so it never waits for the physics.
"""

from __future__ import annotations

from ctypes.util import find_library
from importlib import import_module
import os
import threading
from typing import Any

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, RobotError
from cosmos_policy_ros.simulation.appearance import Dresser
from cosmos_policy_ros.simulation.world import WorldSnapshot

_LIBRARIES = {'egl': 'EGL', 'osmesa': 'OSMesa'}
_HINT = ('install `libegl1 libgl1-mesa-dri` (preferred) or `libosmesa6`: '
         'apt-get install libegl1 libgl1-mesa-dri')


def choose_gl_backend() -> str:
    """Return `egl` or `osmesa`: what MUJOCO_GL says, else the first whose library is installed.

    MUJOCO_GL is set to the choice where it was unset, so that MuJoCo agrees with it.

    Raises:
        ConfigurationError: If there is neither, or MUJOCO_GL asks for something else.
    """
    chosen = os.environ.get('MUJOCO_GL', '').lower().strip()
    if chosen and chosen not in _LIBRARIES:
        raise ConfigurationError(
            f'MUJOCO_GL={chosen!r} cannot render off screen here; allowed: egl, osmesa')
    installed = [name for name, library in _LIBRARIES.items() if find_library(library)]
    if not chosen and not installed:
        raise ConfigurationError(f'no off-screen OpenGL library found; {_HINT}')
    return os.environ.setdefault('MUJOCO_GL', chosen or installed[0])


def _make_gl_context(width: int, height: int) -> Any:
    backend = choose_gl_backend()
    try:
        context = import_module(f'mujoco.{backend}').GLContext(width, height)
        context.make_current()
    # Each backend and driver fails with an exception of its own.
    except Exception as error:
        raise ConfigurationError(
            f'OpenGL backend {backend!r} does not work ({error}); {_HINT}') from error
    return context


class CameraRenderer:
    """Draws the cameras of a model. Use it from one thread only.

    The model becomes its own: its colours, lights and cameras follow the snapshots.
    """

    def __init__(self, model: mujoco.MjModel, *, width: int = 640, height: int = 480) -> None:
        limits = model.vis.global_
        if not (0 < width <= limits.offwidth and 0 < height <= limits.offheight):
            raise ConfigurationError(
                f'image size {width}x{height} is not within 1x1 to '
                f'{limits.offwidth}x{limits.offheight}')
        self._model = model
        self._data = mujoco.MjData(model)
        self._dresser = Dresser(model)
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        # The stock scene's mirror-like floor doubles the cost and real tables do not reflect.
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._options = mujoco.MjvOption()
        self._gl_context: Any = None
        self._mjr_context: mujoco.MjrContext | None = None
        self._thread_id: int | None = None

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Cameras of the model."""
        return tuple(self._model.camera(i).name for i in range(self._model.ncam))

    def render(self, snapshot: WorldSnapshot, camera: str) -> np.ndarray:
        """Return what a camera sees as a new RGB image of shape (H, W, 3), uint8.

        Raises:
            ConfigurationError: If there is no such camera or no working OpenGL.
            RobotError: If called from a second thread.
        """
        if camera not in self.camera_names:
            raise ConfigurationError(
                f'unknown camera {camera!r}; the scene has {", ".join(self.camera_names)}')
        self._open()
        self._show(snapshot)
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(self._model, self._data, self._options, None, self._camera,
                               mujoco.mjtCatBit.mjCAT_ALL.value, self._scene)
        mujoco.mjr_render(self._viewport, self._scene, self._mjr_context)
        bottom_up = np.empty((self._viewport.height, self._viewport.width, 3), np.uint8)
        mujoco.mjr_readPixels(bottom_up, None, self._viewport, self._mjr_context)
        return np.ascontiguousarray(bottom_up[::-1])

    def close(self) -> None:
        """Free the context; a later `render` makes a new one."""
        if self._gl_context is not None:
            self._check_thread()
            self._gl_context.make_current()
            self._mjr_context.free()
            self._gl_context.free()
        self._gl_context = self._mjr_context = self._thread_id = None

    def _open(self) -> None:
        if self._gl_context is not None:
            self._check_thread()
            return
        self._gl_context = _make_gl_context(self._viewport.width, self._viewport.height)
        self._thread_id = threading.get_ident()
        self._mjr_context = mujoco.MjrContext(
            self._model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._mjr_context)

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread_id:
            raise RobotError('the renderer belongs to the thread of its first image')

    def _show(self, snapshot: WorldSnapshot) -> None:
        self._dresser.wear(snapshot.appearance)
        self._data.qpos[:] = snapshot.qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
