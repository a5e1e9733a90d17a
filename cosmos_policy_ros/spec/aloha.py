# SPDX-License-Identifier: Apache-2.0
"""ALOHA in numbers: the joint vector, limits, gripper constants and poses, with their sources.

The joint vector is [left arm 6 in rad, left gripper 0..1, right arm 6 in rad, right gripper 0..1].
Limits: Interbotix `aloha_vx300s` URDF. Start pose and gripper constants: Interbotix `aloha`
constants. Sleep pose: the `aloha_vx300s` motor configuration before October 2024, because the
newer one lies outside the URDF limits.
"""

from __future__ import annotations

import math

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.robot import (
    ArmSpec, CameraSpec, GripperCalibration, GripperGeometry, RobotSpec)

ARM_JOINTS = ('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate')
CHUNK_SIZE = 50
CHUNK_PERIOD_S = 0.04

INTERBOTIX_GRIPPER = GripperCalibration(
    finger_closed_m=0.0440, finger_open_m=0.0579, joint_closed_rad=0.6197, joint_open_rad=1.6214)
ALOHA_V1_GRIPPER = GripperCalibration(
    finger_closed_m=0.01844, finger_open_m=0.05800, joint_closed_rad=-0.6213,
    joint_open_rad=1.4910)
ALOHA_VX300S_GEOMETRY = GripperGeometry(horn_radius_m=0.0275, arm_length_m=0.035)
VX300S_GEOMETRY = GripperGeometry(horn_radius_m=0.022, arm_length_m=0.036)

# The URDF writes pi minus 1e-5 for the joints that turn all the way round.
_FULL_TURN_RAD = math.pi - 1e-5


def _follower(side: str, gripper: GripperCalibration, geometry: GripperGeometry) -> ArmSpec:
    return ArmSpec(
        name=f'follower_{side}', side=side, joint_names=ARM_JOINTS,
        lower_rad=(-_FULL_TURN_RAD, -1.85005, -1.76278, -_FULL_TURN_RAD, -1.86750,
                   -_FULL_TURN_RAD),
        upper_rad=(_FULL_TURN_RAD, 1.25664, 1.60570, _FULL_TURN_RAD, 2.23402, _FULL_TURN_RAD),
        velocity_limit_rad_s=math.pi,
        gripper_joint='gripper', finger_joint='left_finger', gripper=gripper, geometry=geometry,
        start_rad=(0.0, -0.96, 1.16, 0.0, -0.3, 0.0),
        sleep_rad=(0.0, -1.80, 1.55, 0.0, -1.57, 0.0))


def _aloha(name: str, gripper: GripperCalibration, geometry: GripperGeometry,
           sides: tuple[str, str] = ('left', 'right')) -> RobotSpec:
    cameras = ('cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist')
    return RobotSpec(
        name=name,
        arms=tuple(_follower(side, gripper, geometry) for side in sides),
        cameras=tuple(CameraSpec(name=camera, width=640, height=480) for camera in cameras))


ALOHA = _aloha('interbotix', INTERBOTIX_GRIPPER, ALOHA_VX300S_GEOMETRY)
ALOHA_V1 = _aloha('aloha_v1', ALOHA_V1_GRIPPER, VX300S_GEOMETRY)
# Interbotix `aloha` branch 2.0 puts the right arm first; only data recorded with it does.
ALOHA_2_0 = _aloha('interbotix_2_0', INTERBOTIX_GRIPPER, ALOHA_VX300S_GEOMETRY,
                   sides=('right', 'left'))
ROBOTS = {robot.name: robot for robot in (ALOHA, ALOHA_V1, ALOHA_2_0)}


def robot_spec(name: str) -> RobotSpec:
    """Return the robot preset of that name.

    Raises:
        ConfigurationError: If there is no such preset.
    """
    if name not in ROBOTS:
        raise ConfigurationError(f'unknown robot preset {name!r}; known: {", ".join(ROBOTS)}')
    return ROBOTS[name]
