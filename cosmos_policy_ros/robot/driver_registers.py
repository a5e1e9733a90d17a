# SPDX-License-Identifier: Apache-2.0
"""Registers that decide how motors follow targets, as the vendor's scripts expect them.

Profiles of 0 let a motor go as fast as targets come; anything else, left behind by a script that
moves slowly, makes arms lag and overshoot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cosmos_policy_ros.spec.robot import ArmSpec

PROFILES = ('Profile_Velocity', 'Profile_Acceleration')
GAINS = ('Position_P_Gain', 'Position_I_Gain')
TRACKING_REGISTERS = (*PROFILES, *GAINS)


@dataclass(frozen=True, kw_only=True)
class RegisterWrite:
    """One request to the service `set_motor_registers`.

    Attributes:
        cmd_type: `group` or `single`.
        name: The group or joint.
        register: Name of the register.
        value: Its raw value.
    """

    cmd_type: str
    name: str
    register: str
    value: int


def wanted_registers(position_p_gain: int) -> dict[str, int]:
    """Return what registers of the arm joints are to be.

    Args:
        position_p_gain: Raw proportional gain of the arm joints, with no integral part; 0 for any
            gains.
    """
    wanted = dict.fromkeys(PROFILES, 0)
    return wanted | dict(zip(GAINS, (position_p_gain, 0))) if position_p_gain else wanted


def wrong_registers(
    arm: ArmSpec, registers: Mapping[str, tuple[int, ...]], wanted: Mapping[str, int],
) -> Iterator[tuple[str, str, int]]:
    """Return motor, register and raw value of what is not as wanted; no gains of a gripper are.

    Args:
        arm: The arm.
        registers: Values by name, the arm joints' and then the gripper's.
        wanted: What they are to be; registers that were not read are passed over.
    """
    for register, values in registers.items():
        motors = arm.joint_names if register in GAINS else (*arm.joint_names, arm.gripper_joint)
        for motor, value in zip(motors, values):
            if register in wanted and value != wanted[register]:
                yield motor, register, value


def register_writes(
    arm: ArmSpec, registers: Mapping[str, tuple[int, ...]], wanted: Mapping[str, int],
) -> list[RegisterWrite]:
    """Return the fewest requests that make all registers as `wrong_registers` wants them."""
    targets = {(register, motor == arm.gripper_joint)
               for motor, register, _ in wrong_registers(arm, registers, wanted)}
    return [RegisterWrite(
        cmd_type='single' if is_gripper else 'group',
        name=arm.gripper_joint if is_gripper else 'arm', register=register,
        value=wanted[register]) for register, is_gripper in sorted(targets)]
