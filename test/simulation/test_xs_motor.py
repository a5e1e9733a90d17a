# SPDX-License-Identifier: Apache-2.0
"""One motor: units, profiles, torque."""

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.simulation.xs_motor import angle_from_raw, raw_from_angle, XsMotor
from cosmos_policy_ros.simulation.xs_registers import (
    ACCELERATION_UNIT_RAD_S2, CURRENT_UNIT_MA, RegisterRefusal, VELOCITY_UNIT_RAD_S)

TICK_S = 0.004
EEPROM = {'Velocity_Limit': 131, 'Model_Number': 1120}


def motor_on(**registers):
    motor = XsMotor(EEPROM)
    for name, value in registers.items():
        motor.write(name, value)
    motor.write('Torque_Enable', 1)
    return motor


def track_to(motor, angle_rad, duration_s):
    motor.write('Goal_Position', raw_from_angle(angle_rad))
    return np.array([motor.aim(TICK_S)[0] for _ in range(round(duration_s / TICK_S))])


@given(raw=st.integers(0, 4095))
def test_an_angle_read_back_is_at_most_one_unit_off(raw):
    assert abs(raw_from_angle(angle_from_raw(raw)) - raw) <= 1


def test_units_are_those_of_the_driver():
    assert angle_from_raw(2048) == 0
    assert angle_from_raw(0) == -math.pi
    assert 131 * VELOCITY_UNIT_RAD_S == pytest.approx(math.pi, rel=1e-3)
    assert 15 * ACCELERATION_UNIT_RAD_S2 == pytest.approx(5.6, rel=1e-2)


@given(goals=st.lists(st.floats(-3, 3), min_size=1, max_size=8),
       profile=st.sampled_from([0, 20, 131, 500]), acceleration=st.sampled_from([0, 5, 15]))
def test_no_goal_turns_a_motor_faster_than_its_limits(goals, profile, acceleration):
    motor = motor_on(Profile_Velocity=profile, Profile_Acceleration=acceleration)
    track = np.concatenate([[0.0], *(track_to(motor, goal, 0.2) for goal in goals)])
    limit = min(profile or 131, 131) * VELOCITY_UNIT_RAD_S
    speeds = np.diff(track) / TICK_S
    assert np.abs(speeds).max() <= limit + 1e-9
    if acceleration:
        limit = acceleration * ACCELERATION_UNIT_RAD_S2
        assert np.abs(np.diff(speeds)).max() / TICK_S <= limit + 1e-6


@given(goal=st.floats(-3, 3), profile=st.sampled_from([0, 60, 131]),
       acceleration=st.sampled_from([0, 15, 40]))
def test_a_motor_arrives_and_stays(goal, profile, acceleration):
    track = track_to(motor_on(Profile_Velocity=profile, Profile_Acceleration=acceleration),
                     goal, 4.0)
    np.testing.assert_allclose(track[-50:], angle_from_raw(raw_from_angle(goal)), atol=1e-3)


def test_a_time_profile_takes_its_time_whatever_the_distance():
    for goal in (0.3, 1.2):
        motor = motor_on(Drive_Mode=4, Profile_Velocity=1000, Profile_Acceleration=300)
        track = track_to(motor, goal, 1.3)
        assert track[round(0.9 / TICK_S)] < goal - 0.003
        assert track[round(1.05 / TICK_S)] == pytest.approx(goal, abs=0.003)


@pytest.mark.parametrize('profile_bit', [0, 4])
@pytest.mark.parametrize('turn_back_s', [0.2, 0.5, 0.8])
def test_a_goal_changed_under_way_does_not_let_the_motor_run_away(profile_bit, turn_back_s):
    motor = motor_on(Drive_Mode=profile_bit, Profile_Velocity=1000, Profile_Acceleration=300)
    there = track_to(motor, 1.0, turn_back_s)[-1]
    track = track_to(motor, there, 3.0)
    assert np.abs(track - there).max() < 0.5
    assert track[-1] == pytest.approx(there, abs=2e-3)


def test_without_torque_a_motor_is_limp_and_follows_the_shaft():
    motor = XsMotor(EEPROM)
    motor.measure(0.7, 0.0, 0.0)
    assert motor.aim(TICK_S) == (0.7, 0.0)


def test_torque_on_takes_the_present_angle_as_goal():
    motor = XsMotor(EEPROM)
    motor.write('Goal_Position', 3000)
    motor.measure(-0.5, 0.0, 0.0)
    motor.write('Torque_Enable', 1)
    assert motor.aim(TICK_S)[0] == pytest.approx(-0.5, abs=2e-3)
    assert motor.registers['Goal_Position'] == raw_from_angle(-0.5)


def test_current_mode_pushes_with_the_goal_current_and_no_more():
    motor = motor_on(Operating_Mode=0)
    motor.measure(0.2, 0.0, 0.0)
    motor.write('Goal_Current', -100)
    angle, ceiling = motor.aim(TICK_S)
    assert angle < -5
    assert ceiling == pytest.approx(100 * CURRENT_UNIT_MA)


def test_full_pwm_is_the_stall_current():
    motor = motor_on(Operating_Mode=16)
    motor.write('Goal_PWM', 885)
    assert motor.aim(TICK_S)[1] == pytest.approx(4400)


def test_current_based_position_is_capped_by_the_goal_current():
    motor = motor_on(Operating_Mode=5)
    motor.write('Goal_Current', 10)
    assert motor.aim(TICK_S)[1] == pytest.approx(10 * CURRENT_UNIT_MA)


def test_velocity_mode_turns_at_the_goal_velocity():
    motor = motor_on(Operating_Mode=1)
    motor.write('Goal_Velocity', 50)
    angle = 0.0
    for _ in range(250):
        motor.measure(angle, 0.0, 0.0)
        angle = motor.aim(TICK_S)[0]
    assert angle == pytest.approx(50 * VELOCITY_UNIT_RAD_S, rel=0.01)


def test_a_blocked_motor_in_velocity_mode_does_not_wind_up():
    motor = motor_on(Operating_Mode=1)
    motor.write('Goal_Velocity', 100)
    for _ in range(2500):
        motor.measure(0.0, 0.0, 0.0)
        angle = motor.aim(TICK_S)[0]
    assert angle <= 0.5


def test_a_hardware_error_cuts_torque_until_a_reboot():
    motor = motor_on()
    motor.fail(0x20)
    assert motor.registers['Torque_Enable'] == 0
    with pytest.raises(RegisterRefusal, match='hardware error 0x20'):
        motor.write('Torque_Enable', 1)
    motor.reboot()
    motor.write('Torque_Enable', 1)
    assert motor.registers['Hardware_Error_Status'] == 0


def test_an_error_that_shutdown_does_not_list_leaves_torque_on():
    motor = motor_on()
    motor.fail(0x08)
    assert motor.registers['Torque_Enable'] == 1
