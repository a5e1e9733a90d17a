# SPDX-License-Identifier: Apache-2.0
"""Facts about an Interbotix arm that its driver serves: motors, groups, RobotInfo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosmos_policy_ros.simulation.xs_motor import raw_from_angle
from cosmos_policy_ros.spec.robot import ArmSpec

RIGHT_FINGER = 'right_finger'
FINGER_LIMITS_M = (0.021, 0.057)
FINGER_SPEED_LIMIT_M_S = 1.0
_ARM_MOTOR_IDS = (1, 2, 4, 6, 7, 8)
_GRIPPER_MOTOR_ID = 9
_XM430, _XM540 = 1020, 1120
_GRIPPER_CURRENT_LIMIT = 200


@dataclass(frozen=True, kw_only=True)
class RobotInfo:
    """Answer of `get_robot_info`; the fields are those of the service, in its order."""

    mode: str = ''
    profile_type: str = ''
    joint_names: tuple[str, ...] = ()
    joint_ids: tuple[int, ...] = ()
    joint_lower_limits: tuple[float, ...] = ()
    joint_upper_limits: tuple[float, ...] = ()
    joint_velocity_limits: tuple[float, ...] = ()
    joint_sleep_positions: tuple[float, ...] = ()
    joint_state_indices: tuple[int, ...] = ()
    num_joints: int = 0
    name: tuple[str, ...] = ()


def motor_configurations(arm: ArmSpec) -> Mapping[str, Mapping[str, int]]:
    """EEPROM values by joint, as the vendor's motor configuration writes them."""
    configurations = {
        joint: {'ID': motor_id, 'Model_Number': _XM540, 'Velocity_Limit': 131,
                'Min_Position_Limit': raw_from_angle(lower),
                'Max_Position_Limit': raw_from_angle(upper)}
        for joint, motor_id, lower, upper in zip(
            arm.joint_names, _ARM_MOTOR_IDS, arm.lower_rad, arm.upper_rad)}
    configurations[arm.joint_names[-1]]['Model_Number'] = _XM430
    configurations[arm.gripper_joint] = {
        'ID': _GRIPPER_MOTOR_ID, 'Model_Number': _XM430, 'Velocity_Limit': 131,
        'Current_Limit': _GRIPPER_CURRENT_LIMIT}
    return configurations


def joint_state_names(arm: ArmSpec) -> tuple[str, ...]:
    """Names of a joint state message, in order."""
    return (*arm.joint_names, arm.gripper_joint, arm.finger_joint, RIGHT_FINGER)


def robot_info(arm: ArmSpec, joints: Sequence[str], *, mode: str, profile_type: str,
               names: Sequence[str]) -> RobotInfo:
    """Describe some joints; the gripper appears as its left finger."""
    rows = [_joint_row(arm, joint) for joint in joints]
    columns = [tuple(column) for column in zip(*rows)]
    return RobotInfo(
        mode=mode, profile_type=profile_type, joint_names=columns[0], joint_ids=columns[1],
        joint_lower_limits=columns[2], joint_upper_limits=columns[3],
        joint_velocity_limits=columns[4], joint_sleep_positions=columns[5],
        joint_state_indices=columns[6], num_joints=len(rows), name=tuple(names))


def _joint_row(arm: ArmSpec, joint: str) -> tuple[str, int, float, float, float, float, int]:
    if joint == arm.gripper_joint:
        index = joint_state_names(arm).index(arm.finger_joint)
        return (arm.finger_joint, _GRIPPER_MOTOR_ID, *FINGER_LIMITS_M, FINGER_SPEED_LIMIT_M_S,
                arm.geometry.finger_from_angle(0.0), index)
    i = arm.joint_names.index(joint)
    return (joint, _ARM_MOTOR_IDS[i], arm.lower_rad[i], arm.upper_rad[i],
            arm.velocity_limit_rad_s, arm.sleep_rad[i], i)
