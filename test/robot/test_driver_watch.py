# SPDX-License-Identifier: Apache-2.0
"""What changes behind our back while the arms run is noticed at the next poll."""

from __future__ import annotations

from dataclasses import replace
import math

import pytest

from cosmos_policy_ros.robot.driver_check import DriverInfo
from cosmos_policy_ros.robot.driver_watch import DriverWatch
from cosmos_policy_ros.robot.run_state import StopReason
from cosmos_policy_ros.spec.aloha import ALOHA, ARM_JOINTS

LEFT, RIGHT = (
    DriverInfo(
        arm_name=arm.name, arm_mode='position', gripper_mode='current_based_position',
        joint_names=ARM_JOINTS, lower_rad=arm.lower_rad, upper_rad=arm.upper_rad,
        velocity_limit_rad_s=(math.pi,) * 6, torque_enabled=(1,) * 7, num_foreign_commanders=0,
        hardware_errors=(0,) * 7)
    for arm in ALOHA.arms)


def _after(**changes: object) -> list[tuple[StopReason, str]]:
    watch = DriverWatch(ALOHA, [LEFT, RIGHT])
    assert watch.update([LEFT, RIGHT]) == []
    return [(problem.reason, problem.text)
            for problem in watch.update([LEFT, replace(RIGHT, **changes)])]


def test_drivers_that_stay_as_they_were_have_no_problem():
    watch = DriverWatch(ALOHA, [LEFT, RIGHT])
    for _ in range(5):
        assert watch.update([RIGHT, LEFT]) == []


@pytest.mark.parametrize('value, text', [
    (0x20, 'motor elbow reports overload (Hardware_Error_Status 0x20)'),
    (0x05, 'motor elbow reports input voltage, overheating (Hardware_Error_Status 0x05)'),
    (0x18, 'encoder, electrical shock'), (0x40, 'an unknown error'), (-1, 'input voltage')])
def test_error_of_a_motor_is_told_in_words(value, text):
    (reason, told), = _after(hardware_errors=(0, 0, value, 0, 0, 0, 0))
    assert reason is StopReason.MOTOR_ERROR
    assert told.startswith('follower_right: ') and text in told


def test_overload_that_switched_torque_off_is_told_before_the_torque():
    problems = _after(hardware_errors=(0,) * 6 + (0x20,), torque_enabled=(1,) * 6 + (0,))
    assert [reason for reason, _ in problems] == [StopReason.MOTOR_ERROR, StopReason.TORQUE_OFF]
    assert 'motor gripper' in problems[0][1] and 'gripper' in problems[1][1]


def test_wrong_number_of_error_registers_is_no_all_clear():
    (reason, text), = _after(hardware_errors=(0,) * 6)
    assert reason is StopReason.MOTOR_ERROR
    assert '6 hardware error registers, expected 7' in text


def test_error_registers_that_were_not_read_are_no_problem():
    assert _after(hardware_errors=()) == []


@pytest.mark.parametrize('changes, text', [
    ({'arm_mode': 'pwm'}, "arm is in mode 'pwm'; allowed is position"),
    ({'gripper_mode': 'position'},
     "gripper went from mode 'current_based_position' to 'position' since the start")])
def test_mode_that_changed_is_told_even_if_it_would_be_allowed_at_the_start(changes, text):
    (reason, told), = _after(**changes)
    assert reason is StopReason.DRIVER_MODE
    assert text in told


def test_torque_switched_off_and_second_commander_are_told():
    assert [reason for reason, _ in _after(torque_enabled=(0,) * 7)] == [StopReason.TORQUE_OFF]
    assert [reason for reason, _ in _after(num_foreign_commanders=1)] == [
        StopReason.FOREIGN_COMMANDER]


def test_driver_is_dead_after_polls_in_a_row_without_an_answer():
    watch = DriverWatch(ALOHA, [LEFT, RIGHT], max_missed_polls=3)
    for infos in ([LEFT], [LEFT], [LEFT, RIGHT], [LEFT], [LEFT]):
        assert watch.update(infos) == []
    (problem,) = watch.update([LEFT])
    assert problem.reason is StopReason.DRIVER_DEAD
    assert problem.text == (
        'follower_right: its driver did not answer 3 times in a row (limit 3)')
    assert watch.update([LEFT, RIGHT]) == []
