# SPDX-License-Identifier: Apache-2.0
"""Faults on an emulated bus: each is one line with joint, id, value and what is allowed."""

from cli.checks.dynamixel_emulator import EmulatedBus, EmulatedMotor, PING, READ
from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.cli.checks.motor_health import check_motor, MotorReading, REGISTERS
from cosmos_policy_ros.cli.checks.motor_table import ARMS
from cosmos_policy_ros.cli.checks.motors import check_latency, check_motors


def troubles(bus, arm='follower'):
    """Return check, result and found of everything that is not ok."""
    return [(result.check, result.result, result.found)
            for result in check_motors(bus.port, arm) if result.result != 'ok']


def test_a_healthy_arm_has_no_trouble_and_is_only_read(bus):
    results = check_motors(bus.port)
    assert {result.result for result in results} == {'ok'}
    assert [result.check for result in results] == [
        'motor bus', *(motor.label for motor in ARMS['follower']),
        'shoulder pair (ids 2 and 3)', 'elbow pair (ids 4 and 5)']
    assert set(bus.instructions) == {PING, READ}


def test_a_healthy_leader_is_one_only_when_asked_for(patience):
    with EmulatedBus('leader') as bus:
        assert not troubles(bus, 'leader')
        assert ('gripper (id 9)', 'fail',
                'it is a XC430-W150, allowed is XM430-W350') in troubles(bus)


@pytest.mark.parametrize(('motor_id', 'register', 'value', 'check', 'result', 'found'), [
    (4, 'Hardware_Error_Status', 0x20, 'elbow (id 4)', 'fail',
     'hardware error overload (0x20), allowed is none (0x00)'),
    (8, 'Hardware_Error_Status', 0x05, 'wrist_rotate (id 8)', 'fail',
     'hardware error input voltage, overheating (0x05), allowed is none (0x00)'),
    (1, 'Hardware_Error_Status', 0x80, 'waist (id 1)', 'fail',
     'hardware error unknown (0x80), allowed is none (0x00)'),
    (2, 'Model_Number', 1020, 'shoulder (id 2)', 'fail',
     'it is a XM430-W350, allowed is XM540-W270'),
    (9, 'Model_Number', 311, 'gripper (id 9)', 'fail',
     'it is a motor of model number 311, allowed is XM430-W350'),
    (3, 'Secondary_ID', 255, 'shoulder shadow (id 3)', 'fail',
     'Secondary_ID is 255, allowed is 2: it does not follow its main motor'),
    (7, 'Secondary_ID', 1, 'wrist_angle (id 7)', 'fail',
     'Secondary_ID is 1, allowed is 255: it acts on the commands of id 1'),
    (6, 'Present_Temperature', 80, 'forearm_roll (id 6)', 'fail',
     '80 degC, allowed below 80 degC'),
    (6, 'Present_Temperature', 66, 'forearm_roll (id 6)', 'warn',
     '66 degC, allowed up to 65 degC; it shuts down at 80 degC'),
    (9, 'Present_Input_Voltage', 92, 'gripper (id 9)', 'fail', '9.2 V, allowed 9.5 to 16.0 V'),
    (9, 'Present_Input_Voltage', 105, 'gripper (id 9)', 'warn', '10.5 V, allowed 11.0 to 13.0 V'),
    (5, 'Drive_Mode', 1, 'elbow shadow (id 5)', 'fail',
     'Drive_Mode is 1, allowed is 0: it turns the other way'),
    (5, 'Present_Position', 2048 - 40, 'elbow pair (ids 4 and 5)', 'fail',
     'the shadow reads -3.5 deg beside its main motor, allowed -2.0 to +2.0 deg'),
    (2, 'Torque_Enable', 1, 'shoulder pair (ids 2 and 3)', 'fail',
     'torque is on at id 2 and off at id 3, allowed is both or none'),
])
def test_a_fault_is_one_line_naming_motor_value_and_what_is_allowed(
        bus, motor_id, register, value, check, result, found):
    bus.motors[motor_id][register] = value
    assert troubles(bus) == [(check, result, found)]


def test_faults_of_several_motors_are_all_told(bus):
    bus.motors[1]['Present_Temperature'] = 90
    bus.motors[1]['Hardware_Error_Status'] = 0x04
    bus.motors[9]['Present_Input_Voltage'] = 80
    assert [check for check, _, _ in troubles(bus)] == ['waist (id 1)', 'waist (id 1)',
                                                        'gripper (id 9)']


def test_options_in_the_drive_mode_are_no_fault(bus):
    bus.motors[2]['Drive_Mode'] = 0x01 | 0x04 | 0x08
    assert not troubles(bus)


def test_a_missing_motor_is_named_and_the_others_are_still_read(bus):
    del bus.motors[7]
    assert troubles(bus) == [(
        'wrist_angle (id 7)', 'fail', 'id 7: ping: no answer, no answer, no answer in 3 attempts; '
        'allowed is a XM540-W270')]


def test_a_replaced_motor_is_found_under_its_old_id(bus):
    bus.motors[8] = EmulatedMotor(ID=8, Model_Number=1020)
    bus.motors[30] = bus.motors.pop(3)
    found = troubles(bus)
    assert found[0] == ('motor bus', 'fail', '8 of 9 motors answer at 1000000 bit/s; unexpected '
                        'ids answer: 30 (XM540-W270)')
    assert found[1][0] == 'shoulder shadow (id 3)' and len(found) == 2


def test_a_silent_bus_is_one_line(bus, impatience):
    bus.is_silent = True
    assert troubles(bus) == [
        ('motor bus', 'fail', 'none of the ids 1 to 9 answers at 1000000 bit/s')]


def test_occasional_damage_is_a_warning_with_its_count(bus):
    bus.corrupt = lambda number: number % 20 == 7
    (check, result, found), = troubles(bus)
    assert (check, result) == ('motor bus', 'warn')
    assert found == ('9 of 9 motors answer at 1000000 bit/s; 5 of 104 packets had to be repeated, '
                     'allowed is none')


def test_a_motor_that_answers_pings_only_is_named(bus):
    pings = len(bus.motors)
    bus.corrupt = lambda number: number >= pings + 30 and number < pings + 33
    (check, result, found), *others = troubles(bus)
    assert (check, result) == ('elbow (id 4)', 'fail') and not others
    assert found == ('id 4: Drive_Mode: corrupt answer, corrupt answer, corrupt answer in 3 '
                     'attempts; allowed is an answer')


def test_a_port_in_use_is_one_line_that_speaks_of_the_driver(bus):
    bus.send(b'\xff')
    result, = check_motors(bus.port)
    assert result.result == 'fail' and bus.port in result.found
    assert 'must not run beside xs_sdk' in result.remedy


@pytest.mark.parametrize(('latency_ms', 'result'), [(1, 'ok'), (16, 'warn')])
def test_a_slow_adapter_is_a_warning(tmp_path, latency_ms, result):
    (tmp_path / 'ttyUSB7').mkdir()
    (tmp_path / 'ttyUSB7' / 'latency_timer').write_text(f'{latency_ms}\n')
    outcome, = check_latency('/dev/ttyUSB7', tmp_path)
    assert outcome.result == result and f'{latency_ms} ms, allowed 1 ms' in outcome.found


def test_a_port_that_is_no_usb_adapter_has_no_latency(tmp_path):
    assert check_latency('/dev/ttyS0', tmp_path) == []


@given(motor=st.sampled_from(ARMS['follower']), temperature=st.integers(0, 255),
       volts=st.integers(0, 2000), status=st.integers(0, 255))
def test_a_motor_is_ok_exactly_within_all_its_limits(motor, temperature, volts, status):
    healthy = EmulatedMotor(Drive_Mode=motor.drive_mode, Secondary_ID=motor.secondary_id)
    registers = {name: healthy[name] for name in REGISTERS} | {
        'Present_Temperature': temperature, 'Present_Input_Voltage': volts,
        'Hardware_Error_Status': status}
    results = check_motor(MotorReading(motor=motor, model=motor.model, registers=registers))
    is_ok = temperature <= 65 and 110 <= volts <= 130 and status == 0
    assert (results[0].result == 'ok') == is_ok
    assert {result.check for result in results} == {motor.label}
