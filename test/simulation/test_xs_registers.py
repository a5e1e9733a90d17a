# SPDX-License-Identifier: Apache-2.0
"""The control table: what a motor lets one write, and when."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.simulation.xs_registers import (
    CONTROL_TABLE, RAM_START, RegisterRefusal, Registers)

WRITABLE = [name for name, register in CONTROL_TABLE.items() if register.high is not None]


@pytest.mark.parametrize('name', WRITABLE)
@given(value=st.integers(-2**31, 2**31 - 1))
def test_a_write_is_stored_or_refused_and_never_altered(name, value):
    registers = Registers({})
    before = registers[name]
    try:
        registers.write(name, value)
    except RegisterRefusal:
        assert registers[name] == before
    else:
        assert registers[name] == value


def test_no_two_registers_overlap():
    taken = [byte for register in CONTROL_TABLE.values()
             for byte in range(register.address, register.address + register.size)]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize('name', [
    name for name in WRITABLE if CONTROL_TABLE[name].address < RAM_START])
def test_eeprom_is_refused_while_torque_is_on(name):
    registers = Registers({})
    registers.write('Torque_Enable', 1)
    with pytest.raises(RegisterRefusal, match='EEPROM'):
        registers.write(name, registers[name])
    registers.write('Torque_Enable', 0)
    registers.write(name, registers[name])


@pytest.mark.parametrize('name', ['Present_Position', 'Hardware_Error_Status', 'Model_Number'])
def test_read_only_registers_are_refused(name):
    with pytest.raises(RegisterRefusal, match='read-only'):
        Registers({}).write(name, 1)


@pytest.mark.parametrize('name', ['profile_velocity', 'current_limit', '', 'Goal_position'])
def test_names_are_exact(name):
    with pytest.raises(RegisterRefusal, match='no register'):
        Registers({}).write(name, 1)


@pytest.mark.parametrize(('goal', 'limit'), [
    ('Goal_Current', 'Current_Limit'), ('Goal_Velocity', 'Velocity_Limit'),
    ('Goal_PWM', 'PWM_Limit')])
def test_goals_are_refused_beyond_the_motors_own_limits(goal, limit):
    registers = Registers({limit: 50})
    registers.write(goal, -50)
    with pytest.raises(RegisterRefusal, match='outside -50 to 50'):
        registers.write(goal, 51)


def test_position_limits_hold_in_position_modes_only():
    registers = Registers({'Min_Position_Limit': 841, 'Max_Position_Limit': 2867})
    for mode in (3, 5):
        registers.write('Operating_Mode', mode)
        registers.write('Goal_Position', 2867)
        with pytest.raises(RegisterRefusal):
            registers.write('Goal_Position', 840)
    registers.write('Operating_Mode', 4)
    registers.write('Goal_Position', 10_000)


def test_an_unknown_operating_mode_is_refused():
    with pytest.raises(RegisterRefusal, match='Operating_Mode 2'):
        Registers({}).write('Operating_Mode', 2)


def test_clearing_ram_keeps_eeprom():
    registers = Registers({'Current_Limit': 200, 'ID': 9})
    registers.write('Drive_Mode', 4)
    registers.write('Position_P_Gain', 100)
    registers.write('Profile_Velocity', 131)
    registers.write('Torque_Enable', 1)
    registers.clear_ram()
    assert registers['Drive_Mode'] == 4
    assert registers['ID'] == 9
    assert registers['Position_P_Gain'] == 800
    assert registers['Profile_Velocity'] == 0
    assert registers['Torque_Enable'] == 0
    assert registers['Goal_Current'] == 200
