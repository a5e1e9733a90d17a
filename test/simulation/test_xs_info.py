# SPDX-License-Identifier: Apache-2.0
"""What an arm's driver tells about itself."""

import math

import pytest

from cosmos_policy_ros.simulation.xs_info import (
    joint_state_names, motor_configurations, robot_info)
from cosmos_policy_ros.spec.aloha import ALOHA

ARM = ALOHA.arms[0]


@pytest.mark.parametrize(('joint', 'low', 'high'), [
    ('waist', 0, 4095), ('shoulder', 841, 2867), ('elbow', 898, 3094), ('forearm_roll', 0, 4095),
    ('wrist_angle', 830, 3504), ('wrist_rotate', 0, 4095)])
def test_raw_limits_are_those_of_the_vendors_motor_configuration(joint, low, high):
    configuration = motor_configurations(ARM)[joint]
    assert configuration['Min_Position_Limit'] == low
    assert configuration['Max_Position_Limit'] == high


def test_joint_states_have_nine_names_in_the_vendors_order():
    assert joint_state_names(ARM) == (
        'waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate', 'gripper',
        'left_finger', 'right_finger')


def test_the_arm_is_described_by_its_six_joints():
    info = robot_info(ARM, ARM.joint_names, mode='position', profile_type='velocity',
                      names=['arm'])
    assert info.joint_names == ARM.joint_names
    assert info.joint_ids == (1, 2, 4, 6, 7, 8)
    assert info.joint_lower_limits == ARM.lower_rad
    assert info.joint_upper_limits == ARM.upper_rad
    assert info.joint_velocity_limits == (math.pi,) * 6
    assert info.joint_sleep_positions == ARM.sleep_rad
    assert info.joint_state_indices == (0, 1, 2, 3, 4, 5)
    assert info.num_joints == 6
    assert info.name == ('arm',)


def test_the_gripper_appears_as_its_left_finger():
    info = robot_info(ARM, ['gripper'], mode='position', profile_type='velocity',
                      names=['gripper'])
    assert info.joint_names == ('left_finger',)
    assert info.joint_ids == (9,)
    assert info.joint_state_indices == (7,)
    assert (info.joint_lower_limits, info.joint_upper_limits) == ((0.021,), (0.057,))
    assert info.joint_sleep_positions[0] == pytest.approx(math.sqrt(0.035**2 - 0.0275**2))
