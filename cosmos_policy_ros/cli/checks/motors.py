# SPDX-License-Identifier: Apache-2.0
"""The motors of one arm, asked directly over their bus while no driver runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path

from cosmos_policy_ros.cli.checks.dynamixel_bus import BAUD_RATE, DynamixelBus, MotorSilence
from cosmos_policy_ros.cli.checks.motor_health import (
    check_motor, check_pair, MotorReading, REGISTERS)
from cosmos_policy_ros.cli.checks.motor_table import (
    ArmKind, ARMS, ExpectedMotor, model_name)
from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, warn
from cosmos_policy_ros.cli.checks.serial_port import PortError

BUS = 'motor bus'
ADAPTER_DEVICES = Path('/sys/bus/usb-serial/devices')
USUAL_LATENCY_MS = 1
_STOP_THE_DRIVER = ('stop the driver (xs_sdk) and whatever else uses the port, then run the '
                    'doctor again: it must not run beside xs_sdk')
_CHECK_CABLES = ('check the cable to this motor and the one before it; a blinking LED wants the '
                 'power off and on')


def check_motors(port: str, arm: ArmKind = 'follower') -> list[CheckResult]:
    """Ask every motor of an arm; nothing is written to any of them.

    Args:
        port: Serial port of the arm's bus.
        arm: Which kind of arm hangs on it.
    """
    try:
        with DynamixelBus(port) as bus:
            return [*check_latency(port), *_check_bus(bus, ARMS[arm])]
    except PortError as error:
        return [fail(BUS, str(error), _STOP_THE_DRIVER)]


def check_latency(port: str, devices: Path = ADAPTER_DEVICES) -> list[CheckResult]:
    """Judge how long a USB adapter waits before it hands on an answer; empty if it is none."""
    path = devices / os.path.basename(os.path.realpath(port)) / 'latency_timer'
    if not path.is_file():
        return []
    latency_ms = int(path.read_text())
    found = f'latency_timer of {port} is {latency_ms} ms, allowed {USUAL_LATENCY_MS} ms'
    if latency_ms > USUAL_LATENCY_MS:
        return [warn('motor bus adapter', found, f'echo {USUAL_LATENCY_MS} | sudo tee {path}, or '
                     'install the udev rules of the Interbotix packages')]
    return [ok('motor bus adapter', found)]


def _check_bus(bus: DynamixelBus, motors: Sequence[ExpectedMotor]) -> list[CheckResult]:
    models, silent = _ping_all(bus, motors)
    strangers = _strangers(bus, motors) if silent else ''
    if not models:
        return [_silent_bus(motors, strangers)]
    readings, unread = _read_all(bus, models)
    judged = [result for reading in readings.values() for result in check_motor(reading)]
    pairs = [result for reading in readings.values() if reading.motor.main_id in readings
             for result in check_pair(readings[reading.motor.main_id], reading)]
    return [_bus_result(bus, len(models), len(motors), strangers),
            *silent, *unread, *judged, *pairs]


def _ping_all(
    bus: DynamixelBus, motors: Sequence[ExpectedMotor],
) -> tuple[dict[ExpectedMotor, int], list[CheckResult]]:
    models, silent = {}, []
    for motor in motors:
        try:
            models[motor] = bus.ping(motor.id)
        except MotorSilence as error:
            silent.append(fail(motor.label, f'{error}; allowed is a {model_name(motor.model)}',
                               _CHECK_CABLES))
    return models, silent


def _read_all(
    bus: DynamixelBus, models: Mapping[ExpectedMotor, int],
) -> tuple[dict[int, MotorReading], list[CheckResult]]:
    readings, unread = {}, []
    for motor, model in models.items():
        try:
            registers = {name: bus.read(motor.id, name) for name in REGISTERS}
        except MotorSilence as error:
            unread.append(fail(motor.label, f'{error}; allowed is an answer', _CHECK_CABLES))
        else:
            readings[motor.id] = MotorReading(motor=motor, model=model, registers=registers)
    return readings, unread


def _strangers(bus: DynamixelBus, motors: Sequence[ExpectedMotor]) -> str:
    """Name who answers without being one of the motors: a replaced motor keeps its old ID."""
    expected = {motor.id for motor in motors}
    return ', '.join(f'{motor_id} ({model_name(model)})' for motor_id, model in bus.scan().items()
                     if motor_id not in expected)


def _silent_bus(motors: Sequence[ExpectedMotor], strangers: str) -> CheckResult:
    others = f'; other ids answer: {strangers}' if strangers else ''
    return fail(
        BUS, f'none of the ids {motors[0].id} to {motors[-1].id} answers at {BAUD_RATE} bit/s'
        f'{others}', 'switch on the power of the arm, check the cable from the adapter, and that '
        'the motors are set to 1 Mbit/s and protocol 2.0')


def _bus_result(bus: DynamixelBus, num_found: int, num_expected: int,
                strangers: str) -> CheckResult:
    found = f'{num_found} of {num_expected} motors answer at {BAUD_RATE} bit/s'
    if strangers:
        return fail(BUS, f'{found}; unexpected ids answer: {strangers}',
                    'a replaced motor keeps its old id: set it with Dynamixel Wizard')
    if bus.num_repeated:
        return warn(BUS, f'{found}; {bus.num_repeated} of {bus.num_requests} packets had to be '
                    'repeated, allowed is none',
                    'a loose plug, a worn cable or a weak supply; the driver reports such a '
                    'failed read as -pi on every joint')
    return ok(BUS, f'{found}; {bus.num_requests} packets')
