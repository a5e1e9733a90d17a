# SPDX-License-Identifier: Apache-2.0
"""The joint state message of an Interbotix arm, healthy or after a failed bus read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import math

from cosmos_policy_ros.simulation.xs_info import joint_state_names
from cosmos_policy_ros.simulation.xs_motor import angle_from_raw
from cosmos_policy_ros.simulation.xs_registers import (
    CURRENT_UNIT_MA, Registers, VELOCITY_UNIT_RAD_S)
from cosmos_policy_ros.spec.robot import ArmSpec

# What the vendor publishes when a read failed: raw zeros, which mean -pi, or NaN.
READ_FAILURES = ('none', 'minus_pi', 'nan')


@dataclass(frozen=True, kw_only=True)
class JointStates:
    """One joint state message: nine values each, fingers last.

    Attributes:
        names: Joint names.
        positions: Joints in [rad], fingers in [m].
        velocities: Joints in [rad/s], fingers 0.
        efforts: Currents in [mA], fingers 0.
    """

    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    efforts: tuple[float, ...]


def read_joint_states(
    arm: ArmSpec, motors: Iterable[Registers], *, read_failure: str,
) -> JointStates:
    """Make the message from the motors' registers, arm joints first, then the gripper."""
    rows = [_read(registers, read_failure) for registers in motors]
    positions, velocities, efforts = (tuple(column) for column in zip(*rows))
    finger = arm.geometry.finger_from_angle(positions[-1])
    return JointStates(
        names=joint_state_names(arm), positions=(*positions, finger, -finger),
        velocities=(*velocities, 0.0, 0.0), efforts=(*efforts, 0.0, 0.0))


def _read(registers: Registers, read_failure: str) -> tuple[float, float, float]:
    if read_failure == 'nan':
        return math.nan, math.nan, math.nan
    if read_failure == 'minus_pi':
        return angle_from_raw(0), 0.0, 0.0
    return (angle_from_raw(registers['Present_Position']),
            registers['Present_Velocity'] * VELOCITY_UNIT_RAD_S,
            registers['Present_Current'] * CURRENT_UNIT_MA)
