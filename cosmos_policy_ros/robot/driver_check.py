# SPDX-License-Identifier: Apache-2.0
"""Is a driver in a state in which its arm may be commanded? Checked before every start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.driver_registers import wrong_registers
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

ARM_MODES = ('position',)
GRIPPER_MODES = ('current_based_position', 'position')
LIMIT_TOLERANCE = 0.01
# Bits of the register Hardware_Error_Status of Dynamixel X motors.
MOTOR_ERRORS = {0x01: 'input voltage', 0x04: 'overheating', 0x08: 'encoder',
                0x10: 'electrical shock', 0x20: 'overload'}


@dataclass(frozen=True, kw_only=True)
class DriverInfo:
    """What the driver of one arm of J joints answers, unchecked.

    Attributes:
        arm_name: Name of the arm.
        arm_mode: Operating mode of the arm group.
        gripper_mode: Operating mode of the gripper.
        joint_names: Joints of the arm group in the order of its commands.
        lower_rad: Lower limits of the arm joints in [rad]; empty if the driver knows none.
        upper_rad: Upper limits of the arm joints in [rad].
        velocity_limit_rad_s: Speed limits of the arm joints in [rad/s].
        torque_enabled: Torque_Enable registers of the arm joints, then the gripper: J + 1 values.
        num_foreign_commanders: Publishers on the arm's command topics other than ours.
        hardware_errors: Hardware_Error_Status registers in the order of `torque_enabled`; empty
            if they were not read.
        registers: Values of `TRACKING_REGISTERS` by name, each in the order of `torque_enabled`;
            empty if they were not read.
        wanted_registers: What the registers are to be.
    """

    arm_name: str
    arm_mode: str
    gripper_mode: str
    joint_names: tuple[str, ...]
    lower_rad: tuple[float, ...]
    upper_rad: tuple[float, ...]
    velocity_limit_rad_s: tuple[float, ...]
    torque_enabled: tuple[int, ...]
    num_foreign_commanders: int
    hardware_errors: tuple[int, ...] = ()
    registers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    wanted_registers: Mapping[str, int] = field(default_factory=dict)


def check_drivers(robot: RobotSpec, infos: Sequence[DriverInfo]) -> list[Problem]:
    """Return everything that forbids commanding the arms; empty if nothing does."""
    by_name = {info.arm_name: info for info in infos}
    problems = [
        Problem(reason=StopReason.DRIVER_MODE, text=f'{name}: the robot has no such arm')
        for name in by_name if name not in {arm.name for arm in robot.arms}]
    for arm in robot.arms:
        if arm.name in by_name:
            problems += check_arm(arm, by_name[arm.name])
        else:
            problems.append(Problem(
                reason=StopReason.DRIVER_MODE, text=f'{arm.name}: its driver did not answer'))
    return problems


def require_drivers(robot: RobotSpec, infos: Sequence[DriverInfo]) -> None:
    """Refuse drivers that may not be commanded.

    Raises:
        RobotError: If `check_drivers` finds a problem; the text names them all.
    """
    problems = check_drivers(robot, infos)
    if problems:
        raise RobotError('; '.join(problem.text for problem in problems))


def check_arm(arm: ArmSpec, info: DriverInfo) -> list[Problem]:
    """Return everything that forbids commanding one arm, the most telling first."""
    checks = (
        (StopReason.MOTOR_ERROR, _error_texts(arm, info)),
        (StopReason.DRIVER_MODE, _mode_texts(info)),
        (StopReason.DRIVER_MODE, _register_texts(arm, info)),
        (StopReason.TORQUE_OFF, _torque_texts(arm, info)),
        (StopReason.LIMITS_MISMATCH, _joint_texts(arm, info)),
        (StopReason.FOREIGN_COMMANDER, _commander_texts(info)))
    return [Problem(reason=reason, text=f'{arm.name}: {text}')
            for reason, texts in checks for text in texts]


def _error_texts(arm: ArmSpec, info: DriverInfo) -> Iterator[str]:
    motors = (*arm.joint_names, arm.gripper_joint)
    if len(info.hardware_errors) not in (0, len(motors)):
        yield f'{len(info.hardware_errors)} hardware error registers, expected {len(motors)}'
        return
    for name, value in zip(motors, info.hardware_errors):
        if value:
            kinds = [text for bit, text in MOTOR_ERRORS.items() if value & bit]
            yield (f'motor {name} reports {", ".join(kinds) or "an unknown error"} '
                   f'(Hardware_Error_Status {value:#04x}); it must be 0x00')


def _mode_texts(info: DriverInfo) -> Iterator[str]:
    for part, mode, allowed in (('arm', info.arm_mode, ARM_MODES),
                                ('gripper', info.gripper_mode, GRIPPER_MODES)):
        if mode not in allowed:
            yield f'{part} is in mode {mode!r}; allowed is {" or ".join(allowed)}'


def _register_texts(arm: ArmSpec, info: DriverInfo) -> Iterator[str]:
    num_motors = len(arm.joint_names) + 1
    for name, values in info.registers.items():
        if len(values) != num_motors:
            yield f'{len(values)} registers {name}, expected {num_motors}'
    for motor, register, value in wrong_registers(arm, info.registers, info.wanted_registers):
        yield (f'{register} of {motor} is {value}; it must be '
               f'{info.wanted_registers[register]}, which prepare_driver sets')


def _torque_texts(arm: ArmSpec, info: DriverInfo) -> Iterator[str]:
    motors = (*arm.joint_names, arm.gripper_joint)
    if len(info.torque_enabled) != len(motors):
        yield f'{len(info.torque_enabled)} torque registers, expected {len(motors)}'
        return
    off = [name for name, value in zip(motors, info.torque_enabled) if value != 1]
    if off:
        yield f'torque is off at {", ".join(off)}; it must be on at every motor'


def _joint_texts(arm: ArmSpec, info: DriverInfo) -> Iterator[str]:
    if info.joint_names != arm.joint_names:
        yield f'joints are {info.joint_names}, expected {arm.joint_names} in this order'
        return
    sizes = {len(info.lower_rad), len(info.upper_rad), len(info.velocity_limit_rad_s)}
    if sizes != {len(arm.joint_names)}:
        yield (f'limits of {sorted(sizes)} joints, expected {len(arm.joint_names)}; a driver '
               'without robot_description has none')
        return
    for index, name in enumerate(arm.joint_names):
        yield from _limit_texts(arm, info, index, name)


def _limit_texts(arm: ArmSpec, info: DriverInfo, index: int, name: str) -> Iterator[str]:
    lower, upper = info.lower_rad[index], info.upper_rad[index]
    # Written so that a limit that is not a number is a problem, too.
    if not (lower <= arm.lower_rad[index] + LIMIT_TOLERANCE
            and upper >= arm.upper_rad[index] - LIMIT_TOLERANCE):
        yield (f'{name} is limited to {lower:.4f}..{upper:.4f} rad; at least '
               f'{arm.lower_rad[index]:.4f}..{arm.upper_rad[index]:.4f} is required')
    speed = info.velocity_limit_rad_s[index]
    if not speed >= arm.velocity_limit_rad_s - LIMIT_TOLERANCE:
        yield (f'{name} is limited to {speed:.4f} rad/s; at least '
               f'{arm.velocity_limit_rad_s:.4f} is required')


def _commander_texts(info: DriverInfo) -> Iterator[str]:
    if info.num_foreign_commanders:
        yield (f'{info.num_foreign_commanders} other publishers on its command topics; '
               'an arm may have one commander only')
