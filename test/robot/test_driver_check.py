# SPDX-License-Identifier: Apache-2.0
"""A driver that may not be commanded is told so with everything that is wrong."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.driver_check import check_drivers, DriverInfo, require_drivers
from cosmos_policy_ros.robot.run_state import StopReason
from cosmos_policy_ros.spec.aloha import ALOHA, ARM_JOINTS
from cosmos_policy_ros.spec.robot import ArmSpec


def _info(arm: ArmSpec, **changes: object) -> DriverInfo:
    def as_sent(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(np.float32(values).tolist())

    info = DriverInfo(
        arm_name=arm.name, arm_mode='position', gripper_mode='current_based_position',
        joint_names=ARM_JOINTS, lower_rad=as_sent(arm.lower_rad), upper_rad=as_sent(arm.upper_rad),
        velocity_limit_rad_s=as_sent((math.pi,) * 6), torque_enabled=(1,) * 7,
        num_foreign_commanders=0)
    return replace(info, **changes)


def _problems(**changes: object) -> list[tuple[StopReason, str]]:
    left, right = ALOHA.arms
    problems = check_drivers(ALOHA, [_info(left, **changes), _info(right)])
    return [(problem.reason, problem.text) for problem in problems]


def _changed(values: tuple[float, ...], index: int, value: float) -> tuple[float, ...]:
    return (*values[:index], value, *values[index + 1:])


def test_driver_as_it_should_be_has_no_problem():
    assert _problems() == []
    require_drivers(ALOHA, [_info(arm) for arm in reversed(ALOHA.arms)])


@pytest.mark.parametrize('mode', ['velocity', 'pwm', 'ext_position', ''])
def test_arm_in_another_mode_is_refused(mode):
    assert _problems(arm_mode=mode) == [(
        StopReason.DRIVER_MODE,
        f'follower_left: arm is in mode {mode!r}; allowed is position')]


@pytest.mark.parametrize('mode, is_allowed', [
    ('position', True), ('current_based_position', True), ('linear_position', False),
    ('pwm', False)])
def test_gripper_accepts_angles_only_in_two_modes(mode, is_allowed):
    problems = _problems(gripper_mode=mode)
    assert [reason for reason, _ in problems] == [StopReason.DRIVER_MODE] * (not is_allowed)


def test_motors_without_torque_are_named():
    assert _problems(torque_enabled=(1, 0, 1, 1, 1, 1, 0)) == [(
        StopReason.TORQUE_OFF,
        'follower_left: torque is off at shoulder, gripper; it must be on at every motor')]


@pytest.mark.parametrize('registers', [(), (1,) * 6, (1,) * 8])
def test_wrong_number_of_torque_registers_is_refused(registers):
    (reason, text), = _problems(torque_enabled=registers)
    assert reason is StopReason.TORQUE_OFF
    assert f'{len(registers)} torque registers, expected 7' in text


def test_joints_in_another_order_are_refused():
    (reason, text), = _problems(joint_names=ARM_JOINTS[::-1])
    assert reason is StopReason.LIMITS_MISMATCH
    assert 'in this order' in text


@pytest.mark.parametrize('index', range(6))
@pytest.mark.parametrize('field, sign', [('lower_rad', 1), ('upper_rad', -1)])
def test_narrower_driver_limits_are_refused_and_wider_ones_are_not(field, sign, index):
    values = getattr(ALOHA.arms[0], field)
    narrower = _changed(values, index, values[index] + sign * 0.011)
    (reason, text), = _problems(**{field: narrower})
    assert reason is StopReason.LIMITS_MISMATCH
    assert ARM_JOINTS[index] in text
    for offset in (0.009, -0.5):
        assert not _problems(**{field: _changed(values, index, values[index] + sign * offset)})


@pytest.mark.parametrize('field', ['lower_rad', 'upper_rad', 'velocity_limit_rad_s'])
def test_limit_that_is_no_number_is_refused(field):
    (reason, text), = _problems(**{field: (math.nan,) + getattr(_info(ALOHA.arms[0]), field)[1:]})
    assert reason is StopReason.LIMITS_MISMATCH
    assert 'waist is limited to' in text and 'nan' in text


def test_slower_driver_is_refused():
    (reason, text), = _problems(velocity_limit_rad_s=(math.pi,) * 5 + (1.0,))
    assert reason is StopReason.LIMITS_MISMATCH
    assert 'wrist_rotate is limited to 1.0000 rad/s; at least 3.1416' in text


def test_driver_without_robot_description_has_no_limits_and_is_refused():
    (reason, text), = _problems(lower_rad=(), upper_rad=(), velocity_limit_rad_s=())
    assert reason is StopReason.LIMITS_MISMATCH
    assert 'without robot_description' in text


def test_second_commander_is_refused():
    (reason, text), = _problems(num_foreign_commanders=2)
    assert reason is StopReason.FOREIGN_COMMANDER
    assert '2 other publishers' in text


def test_silent_and_unknown_drivers_are_named():
    unknown = replace(_info(ALOHA.arms[0]), arm_name='leader_left')
    texts = [problem.text for problem in check_drivers(ALOHA, [unknown, _info(ALOHA.arms[0])])]
    assert texts == ['leader_left: the robot has no such arm',
                     'follower_right: its driver did not answer']


def test_refusal_names_every_problem_of_every_arm():
    infos = [_info(ALOHA.arms[0], arm_mode='pwm'),
             _info(ALOHA.arms[1], torque_enabled=(0,) * 7, num_foreign_commanders=1)]
    with pytest.raises(RobotError) as error:
        require_drivers(ALOHA, infos)
    for part in ("follower_left: arm is in mode 'pwm'", 'follower_right: torque is off at waist',
                 'follower_right: 1 other publishers'):
        assert part in str(error.value)
