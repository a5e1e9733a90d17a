# SPDX-License-Identifier: Apache-2.0
"""ALOHA in numbers: the vector's order, limits, grippers, presets."""

import math

from hypothesis import given, strategies
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0, robot_spec, ROBOTS

GRIPPERS = [robot.arms[0] for robot in ROBOTS.values()]


def test_the_joint_vector_is_left_arm_left_gripper_right_arm_right_gripper():
    assert ALOHA.joint_names[0] == 'left_waist' and ALOHA.joint_names[6] == 'left_gripper'
    assert ALOHA.joint_names[7] == 'right_waist' and ALOHA.joint_names[13] == 'right_gripper'
    assert ALOHA.gripper_indices == (6, 13) and ALOHA.num_joints == 14
    assert ALOHA.arm_slice(1) == slice(7, 14)


def test_the_2_0_preset_puts_the_right_arm_first():
    assert ALOHA_2_0.joint_names[0] == 'right_waist'
    assert sorted(ALOHA_2_0.joint_names) == sorted(ALOHA.joint_names)


@pytest.mark.parametrize('robot', ROBOTS.values(), ids=lambda robot: robot.name)
def test_start_and_sleep_poses_lie_inside_the_limits(robot):
    assert ((robot.lower <= robot.start_pose) & (robot.start_pose <= robot.upper)).all()
    for arm in robot.arms:
        assert all(low <= pose <= high for low, pose, high in zip(
            arm.lower_rad, arm.sleep_rad, arm.upper_rad))


def test_limits_are_those_of_the_urdf_and_of_pi_per_second():
    np.testing.assert_allclose(np.degrees(ALOHA.lower[1:3]), [-106, -101], atol=0.01)
    np.testing.assert_allclose(np.degrees(ALOHA.upper[1:3]), [72, 92], atol=0.01)
    assert (ALOHA.velocity_limit[[0, 5, 7, 12]] == math.pi).all()
    stroke_rad = 1.6214 - 0.6197
    assert ALOHA.velocity_limit[6] == pytest.approx(math.pi / stroke_rad)


@pytest.mark.parametrize('arm', GRIPPERS)
@given(opening=strategies.floats(-1, 2))
def test_opening_to_motor_angle_and_back_is_the_identity(arm, opening):
    angle = arm.gripper.joint_from_opening(opening)
    assert arm.gripper.opening_from_joint(angle) == pytest.approx(opening, abs=1e-9)


@pytest.mark.parametrize('arm', GRIPPERS)
def test_the_calibration_maps_its_own_readings_to_0_and_1(arm):
    gripper = arm.gripper
    assert gripper.opening_from_finger(gripper.finger_closed_m) == 0.0
    assert gripper.opening_from_finger(gripper.finger_open_m) == 1.0
    assert gripper.joint_from_opening(0.0) == gripper.joint_closed_rad


# Figures computed by hand from the crank's formula for both published geometries.
@pytest.mark.parametrize(('robot', 'angle', 'finger'), [
    ('aloha_v1', 1.4910, 0.05789), ('aloha_v1', -0.6213, 0.01843),
    ('interbotix', 1.6214, 0.06244), ('interbotix', 0.6197, 0.04288)])
def test_the_crank_gives_the_published_finger_positions(robot, angle, finger):
    geometry = robot_spec(robot).arms[0].geometry
    assert geometry.finger_from_angle(angle) == pytest.approx(finger, abs=1e-5)


@pytest.mark.parametrize('arm', GRIPPERS)
@given(angle=strategies.floats(-1.5, 1.5))
def test_separation_to_angle_undoes_angle_to_finger(arm, angle):
    finger = arm.geometry.finger_from_angle(angle)
    assert arm.geometry.angle_from_separation(2 * finger) == pytest.approx(angle, abs=1e-5)


@pytest.mark.parametrize('separation_m', [0.0, 0.001, 0.5, -0.1])
def test_a_separation_out_of_reach_is_refused_with_the_reach(separation_m):
    with pytest.raises(ConfigurationError, match='out of reach'):
        ALOHA.arms[0].geometry.angle_from_separation(separation_m)


def test_an_unknown_preset_or_camera_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="'robocop'.*interbotix"):
        robot_spec('robocop')
    with pytest.raises(ConfigurationError, match="'cam_rear'.*cam_high"):
        ALOHA.camera('cam_rear')
