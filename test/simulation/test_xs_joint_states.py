# SPDX-License-Identifier: Apache-2.0
"""The joint state message, healthy and after a failed read."""

import math

from following_arm import ARM
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.motor_signals import MotorReadings


def test_a_message_has_nine_values_in_the_drivers_resolution(arm):
    arm.driver.rest_at(MotorReadings(
        positions_rad=np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 1.2]),
        velocities_rad_s=np.full(7, 0.5), efforts_ma=np.full(7, -100.0)))
    states = arm.driver.joint_states(0)
    assert states.names[6:] == ('gripper', 'left_finger', 'right_finger')
    np.testing.assert_allclose(states.positions[:7], [0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 1.2],
                               atol=math.pi / 4096)
    np.testing.assert_allclose(states.velocities, [0.5] * 7 + [0, 0], atol=0.012)
    np.testing.assert_allclose(states.efforts, [-100] * 7 + [0, 0], atol=1.4)


def test_fingers_follow_from_the_gripper_angle(arm):
    states = arm.driver.joint_states(0)
    finger = ARM.geometry.finger_from_angle(states.positions[6])
    assert states.positions[7:] == (finger, -finger)


def test_a_failed_read_publishes_minus_pi_on_every_motor(arm):
    arm.driver.read_failure = 'minus_pi'
    states = arm.driver.joint_states(0)
    assert states.positions[:7] == (-math.pi,) * 7
    assert states.velocities == states.efforts == (0.0,) * 9


def test_a_failed_read_may_publish_nan(arm):
    arm.driver.read_failure = 'nan'
    states = arm.driver.joint_states(0)
    assert np.isnan(states.positions).all()
    assert np.isnan(states.efforts[:7]).all()


def test_a_failed_read_does_not_move_the_arm(arm):
    arm.driver.read_failure = 'minus_pi'
    arm.run(0.2)
    arm.driver.read_failure = 'none'
    np.testing.assert_allclose(arm.driver.joint_states(arm.now_ns).positions[:6],
                               ARM.start_rad, atol=2e-3)


def test_an_unknown_fault_is_refused(arm):
    with pytest.raises(ConfigurationError, match='none, minus_pi, nan'):
        arm.driver.read_failure = 'frozen'
