# SPDX-License-Identifier: Apache-2.0
"""Judgement of what the motors of an arm answered: pure, no bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cosmos_policy_ros.cli.checks.motor_table import ExpectedMotor, model_name
from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, warn

REGISTERS = (
    'Drive_Mode', 'Secondary_ID', 'Temperature_Limit', 'Max_Voltage_Limit', 'Min_Voltage_Limit',
    'Torque_Enable', 'Hardware_Error_Status', 'Present_Position', 'Present_Input_Voltage',
    'Present_Temperature')
HARDWARE_ERRORS = {0x01: 'input voltage', 0x04: 'overheating', 0x08: 'encoder',
                   0x10: 'electrical shock', 0x20: 'overload'}
# A motor this close to its limit shuts down during the next episodes.
WARM_MARGIN_DEGC = 15
# ALOHA runs on 12 V; what leaves this range speaks of a weak supply or a wrong one.
USUAL_VOLTAGE_V = (11.0, 13.0)
# Two motors on one shaft: a larger difference makes them work against each other.
MAX_SHADOW_OFFSET_DEG = 2.0
DEGREES_PER_UNIT = 360 / 4096
# Direction and the synchronisation-cable bit; the others choose profile and torque options.
_DIRECTION_BITS = 0x03
_WRITE_CONFIGURATION = ('support the arm, then start the driver with load_configs:=true, which '
                        "writes the arm's motor configuration")
_CHECK_SUPPLY = 'check the 12 V supply, its plug and the cables along the arm'


@dataclass(frozen=True, kw_only=True)
class MotorReading:
    """What one motor answered.

    Attributes:
        motor: What it should be.
        model: Its model number.
        registers: Register name to raw value, for all of `REGISTERS`.
    """

    motor: ExpectedMotor
    model: int
    registers: Mapping[str, int]

    def volts(self, register: str) -> float:
        """Value of a voltage register in [V]."""
        return self.registers[register] / 10


def check_motor(reading: MotorReading) -> list[CheckResult]:
    """Judge one motor: a line for each problem, or one that says how it is."""
    problems = [*_model_problems(reading), *_error_problems(reading),
                *_temperature_problems(reading), *_voltage_problems(reading),
                *_secondary_id_problems(reading)]
    registers = reading.registers
    return problems or [ok(
        reading.motor.label,
        f'{model_name(reading.model)}, {registers["Present_Temperature"]} degC, '
        f'{reading.volts("Present_Input_Voltage"):.1f} V, '
        f'torque {"on" if registers["Torque_Enable"] else "off"}, no hardware error')]


def check_pair(main: MotorReading, shadow: MotorReading) -> list[CheckResult]:
    """Judge a motor and its shadow, which turn one shaft together."""
    name = f'{main.motor.joint} pair (ids {main.motor.id} and {shadow.motor.id})'
    offset_deg = DEGREES_PER_UNIT * (
        shadow.registers['Present_Position'] - main.registers['Present_Position'])
    problems = []
    if abs(offset_deg) > MAX_SHADOW_OFFSET_DEG:
        problems.append(fail(
            name, f'the shadow reads {offset_deg:+.1f} deg beside its main motor, allowed '
            f'-{MAX_SHADOW_OFFSET_DEG} to +{MAX_SHADOW_OFFSET_DEG} deg',
            'they work against each other and overload: recalibrate the Homing_Offset'))
    torque = {reading.motor.id: reading.registers['Torque_Enable'] for reading in (main, shadow)}
    if len(set(torque.values())) > 1:
        on, off = sorted(torque, key=torque.__getitem__, reverse=True)
        problems.append(fail(
            name, f'torque is on at id {on} and off at id {off}, allowed is both or none',
            'one motor carries the load of two: support the arm and reboot both together'))
    return problems or [ok(name, f'{offset_deg:+.1f} deg apart, torque the same on both')]


def _model_problems(reading: MotorReading) -> Iterator[CheckResult]:
    motor = reading.motor
    if reading.model != motor.model:
        yield fail(motor.label, f'it is a {model_name(reading.model)}, allowed is '
                   f'{model_name(motor.model)}',
                   'set the ids as the arm is wired; for a leader arm give --arm leader')
    direction = reading.registers['Drive_Mode'] & _DIRECTION_BITS
    if direction != motor.drive_mode:
        yield fail(motor.label, f'Drive_Mode is {direction}, allowed is {motor.drive_mode}: it '
                   'turns the other way', _WRITE_CONFIGURATION)


def _error_problems(reading: MotorReading) -> Iterator[CheckResult]:
    status = reading.registers['Hardware_Error_Status']
    if status:
        names = [name for bit, name in HARDWARE_ERRORS.items() if status & bit]
        yield fail(reading.motor.label, f'hardware error {", ".join(names) or "unknown"} '
                   f'(0x{status:02x}), allowed is none (0x00)',
                   'support the arm, remove the cause, reboot the motor or switch the power off '
                   'and on; both motors of a pair together')


def _temperature_problems(reading: MotorReading) -> Iterator[CheckResult]:
    temperature, limit = (reading.registers[name]
                          for name in ('Present_Temperature', 'Temperature_Limit'))
    if temperature >= limit:
        yield fail(reading.motor.label, f'{temperature} degC, allowed below {limit} degC',
                   'let it cool; look for a jam or a misaligned shadow')
    elif temperature > limit - WARM_MARGIN_DEGC:
        yield warn(reading.motor.label, f'{temperature} degC, allowed up to '
                   f'{limit - WARM_MARGIN_DEGC} degC; it shuts down at {limit} degC',
                   'rest the arm in its sleep pose')


def _voltage_problems(reading: MotorReading) -> Iterator[CheckResult]:
    volts, low, high = map(reading.volts, (
        'Present_Input_Voltage', 'Min_Voltage_Limit', 'Max_Voltage_Limit'))
    usual_low, usual_high = USUAL_VOLTAGE_V
    if not low <= volts <= high:
        yield fail(reading.motor.label, f'{volts:.1f} V, allowed {low:.1f} to {high:.1f} V',
                   _CHECK_SUPPLY)
    elif not usual_low <= volts <= usual_high:
        yield warn(reading.motor.label, f'{volts:.1f} V, allowed {usual_low:.1f} to '
                   f'{usual_high:.1f} V', _CHECK_SUPPLY)


def _secondary_id_problems(reading: MotorReading) -> Iterator[CheckResult]:
    motor, found = reading.motor, reading.registers['Secondary_ID']
    if found != motor.secondary_id:
        meaning = ('it does not follow its main motor' if motor.main_id is not None
                   else f'it acts on the commands of id {found}')
        yield fail(motor.label, f'Secondary_ID is {found}, allowed is {motor.secondary_id}: '
                   f'{meaning}', f'do not switch torque on; {_WRITE_CONFIGURATION}')
