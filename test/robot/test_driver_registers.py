# SPDX-License-Identifier: Apache-2.0
"""Registers that are not as vendor scripts leave them are told, and set with few requests."""

from __future__ import annotations

from hypothesis import given, strategies as st

from cosmos_policy_ros.robot.driver_registers import (
    GAINS, PROFILES, register_writes, TRACKING_REGISTERS, wanted_registers, wrong_registers)
from cosmos_policy_ros.spec.aloha import ALOHA

ARM = ALOHA.arms[0]
MOTORS = (*ARM.joint_names, ARM.gripper_joint)
values = st.sampled_from([0, 100, 800])


@given(st.fixed_dictionaries(
    {name: st.tuples(*[values] * len(MOTORS)) for name in TRACKING_REGISTERS}),
    st.sampled_from([0, 100, 800]))
def test_after_the_writes_nothing_is_wrong(registers, position_p_gain):
    wanted = wanted_registers(position_p_gain)
    for write in register_writes(ARM, registers, wanted):
        targets = ARM.joint_names if write.cmd_type == 'group' else (write.name,)
        registers[write.register] = tuple(
            write.value if motor in targets else value
            for motor, value in zip(MOTORS, registers[write.register]))
    assert list(wrong_registers(ARM, registers, wanted)) == []
    assert register_writes(ARM, registers, wanted) == []


def test_what_is_wrong_is_told_by_motor_and_written_once_per_group():
    registers = {'Profile_Velocity': (0, 131, 131, 0, 0, 0, 20), 'Position_P_Gain': (800,) * 7}
    wanted = wanted_registers(800)
    assert list(wrong_registers(ARM, registers, wanted)) == [
        ('shoulder', 'Profile_Velocity', 131), ('elbow', 'Profile_Velocity', 131),
        ('gripper', 'Profile_Velocity', 20)]
    assert [(write.cmd_type, write.name, write.register, write.value)
            for write in register_writes(ARM, registers, wanted)] == [
        ('group', 'arm', 'Profile_Velocity', 0), ('single', 'gripper', 'Profile_Velocity', 0)]


def test_gains_of_the_gripper_are_its_own_and_those_of_the_arm_can_be_left_alone():
    registers = {'Position_P_Gain': (800,) * 6 + (1234,), 'Position_I_Gain': (0,) * 6 + (7,)}
    assert list(wrong_registers(ARM, registers, wanted_registers(800))) == []
    assert set(wanted_registers(0)) == set(PROFILES)
    assert set(wanted_registers(800)) == {*PROFILES, *GAINS}
    low = {'Position_P_Gain': (100,) * 7}
    assert list(wrong_registers(ARM, low, wanted_registers(0))) == []
    assert len(list(wrong_registers(ARM, low, wanted_registers(800)))) == 6
