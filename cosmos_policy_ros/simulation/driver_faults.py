# SPDX-License-Identifier: Apache-2.0
"""Drivers and motors that fail, and how each failure ends."""

from __future__ import annotations

from random import Random

from cosmos_policy_ros.simulation.faults import Fault
from cosmos_policy_ros.simulation.xs_driver import XsDriver

_READ_FAILURES = {'joints_minus_pi': 'minus_pi', 'joints_nan': 'nan'}
_STRANGE_MODE, _USUAL_MODE = 'current_based_position', 'position'


def begin_driver_fault(fault: Fault, driver: XsDriver, now_ns: int) -> None:
    """Let a fault happen; does nothing for a fault of a stream."""
    name = fault.kind.name
    if name in _READ_FAILURES:
        driver.read_failure = _READ_FAILURES[name]
    elif name == 'motor_error':
        driver.fail_motor(chosen_motor(fault, driver), round(fault.amount))
    elif name == 'torque_off':
        driver.torque_enable('single', chosen_motor(fault, driver), False)
    elif name == 'mode_change':
        _set_mode(driver, _STRANGE_MODE, now_ns)
    elif name == 'driver_crash':
        driver.crash('injected')


def end_driver_fault(fault: Fault, driver: XsDriver, now_ns: int) -> None:
    """Undo a fault, as a person at the robot would."""
    name = fault.kind.name
    if name in _READ_FAILURES:
        driver.read_failure = 'none'
    elif name == 'motor_error':
        driver.reboot_motors(now_ns, 'single', chosen_motor(fault, driver), enable=True,
                             smart_reboot=False)
    elif name == 'torque_off':
        driver.torque_enable('single', chosen_motor(fault, driver), True)
    elif name == 'mode_change':
        _set_mode(driver, _USUAL_MODE, now_ns)
    elif name == 'driver_crash':
        driver.restart()


def chosen_motor(fault: Fault, driver: XsDriver) -> str:
    """Joint that a fault of one motor hits."""
    return Random(fault.seed).choice((*driver.arm.joint_names, driver.arm.gripper_joint))


def _set_mode(driver: XsDriver, mode: str, now_ns: int) -> None:
    driver.set_operating_modes(now_ns, 'group', 'arm', mode=mode, profile_type='velocity',
                               profile_velocity=0, profile_acceleration=0)
