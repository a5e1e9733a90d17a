# SPDX-License-Identifier: Apache-2.0
"""Tasks with a red cube: hand it over, the same under harder conditions, or only lift it."""

from __future__ import annotations

import colorsys
import math

import mujoco
import numpy as np

from cosmos_policy_ros.simulation.appearance import Appearance, CameraOffset
from cosmos_policy_ros.simulation.task import bodies_touching, grippers_touching, Task

CUBE = 'box'
_CUBE_JOINT, _CUBE_GEOM, _CUBE_HEIGHT_M = 'red_box_joint', 'red_box', 0.02
_LIFTED_M = 0.07


class TransferCube(Task):
    """The right gripper picks a red cube and hands it to the left one.

    Success is strict: the left gripper touches the cube, the right one does not, the table does
    not, for 25 consecutive steps of 20 ms. The cube lies unturned, uniformly over 0.2 m by 0.2 m.
    """

    name = 'transfer_cube'
    text = 'transfer the cube'
    scene = 'bimanual_viperx_transfer_cube.xml'
    stages = ('approaching', 'right gripper touches', 'right gripper lifts', 'both grippers hold',
              'left gripper holds alone')
    object_joints = {CUBE: _CUBE_JOINT}
    cube_low_m = (0.0, 0.4)
    cube_high_m = (0.2, 0.6)
    max_yaw_rad = 0.0

    def _place(self, data: mujoco.MjData, random: np.random.Generator) -> None:
        xy = random.uniform(self.cube_low_m, self.cube_high_m)
        yaw = random.uniform(-self.max_yaw_rad, self.max_yaw_rad)
        data.joint(_CUBE_JOINT).qpos[:] = [
            *xy, _CUBE_HEIGHT_M, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]

    def _judge(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[int, bool]:
        touching = bodies_touching(model, data, CUBE)
        left, right = grippers_touching(touching)
        table = 'table' in touching
        return transfer_stage(left, right, table), left and not right and not table


class HardTransferCube(TransferCube):
    """As `TransferCube`, but the world varies as in a real laboratory.

    The cube is turned by up to 45 degrees either way and its red varies, a cylinder of another
    colour stands nearby, lights are brighter or darker, and every camera is mounted a little off.
    """

    name = 'transfer_cube_hard'
    object_joints = {CUBE: _CUBE_JOINT}
    max_yaw_rad = math.pi / 4
    distractor_low_m = (-0.25, 0.36)
    distractor_high_m = (0.28, 0.64)
    distractor_distance_m = 0.12
    # Position of the mount in [m], its direction in [rad]: standard deviations.
    camera_position_m = 0.005
    camera_rotation_rad = 0.01

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the cylinder."""
        for key in spec.keys:
            spec.delete(key)
        # The scene takes inertia from what it is told, never from shapes.
        body = spec.worldbody.add_body(
            name='distractor', pos=(-0.2, 0.4, 0.03), mass=0.1, inertia=(1e-4, 1e-4, 1e-4),
            explicitinertial=True)
        body.add_freejoint(name='distractor_joint')
        body.add_geom(name='distractor', type=mujoco.mjtGeom.mjGEOM_CYLINDER,
                      size=(0.02, 0.03, 0.0), rgba=(0.0, 0.0, 1.0, 1.0))

    def _place(self, data: mujoco.MjData, random: np.random.Generator) -> None:
        super()._place(data, random)
        cube_m = data.joint(_CUBE_JOINT).qpos[:2].copy()
        data.joint('distractor_joint').qpos[:] = [
            *self._distractor_xy(cube_m, random), 0.03, 1.0, 0.0, 0.0, 0.0]
        self.appearance = self._draw_appearance(data.model, random)

    def _distractor_xy(self, cube_m: np.ndarray, random: np.random.Generator) -> np.ndarray:
        while True:
            xy = random.uniform(self.distractor_low_m, self.distractor_high_m)
            if np.linalg.norm(xy - cube_m) >= self.distractor_distance_m:
                return xy

    def _draw_appearance(self, model: mujoco.MjModel, random: np.random.Generator) -> Appearance:
        red = colorsys.hsv_to_rgb(
            random.uniform(-0.03, 0.03) % 1.0, random.uniform(0.8, 1.0), random.uniform(0.7, 1.0))
        other = colorsys.hsv_to_rgb(
            random.uniform(0.15, 0.85), random.uniform(0.5, 1.0), random.uniform(0.4, 1.0))
        grey = random.uniform(0.12, 0.32)
        cameras = [model.camera(index).name for index in range(model.ncam)]
        return Appearance(
            colours={_CUBE_GEOM: (*red, 1.0), 'distractor': (*other, 1.0),
                     'table': (grey, grey, grey, 1.0)},
            light=tuple(random.uniform(0.6, 1.4, model.nlight + 1).tolist()),
            cameras={name: CameraOffset(
                position_m=tuple(random.normal(0.0, self.camera_position_m, 3).tolist()),
                rotation_rad=tuple(random.normal(0.0, self.camera_rotation_rad, 3).tolist()))
                for name in cameras if name.startswith('cam_')})


class LiftCube(TransferCube):
    """The right gripper lifts the cube 5 cm off the table: a first test of anything."""

    name = 'lift_cube'
    text = 'lift the cube'
    stages = ('approaching', 'right gripper touches', 'right gripper lifts')

    def _judge(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[int, bool]:
        touching = bodies_touching(model, data, CUBE)
        _, right = grippers_touching(touching)
        table = 'table' in touching
        is_high = data.joint(_CUBE_JOINT).qpos[2] >= _LIFTED_M
        return (1 if table else 2) if right else 0, right and not table and bool(is_high)


def transfer_stage(left: bool, right: bool, table: bool) -> int:
    """Stage of a transfer by what touches the cube: left gripper, right gripper, table."""
    if left and not table:
        return 3 if right else 4
    return (1 if table else 2) if right else 0
