# SPDX-License-Identifier: Apache-2.0
"""The seven motors of an arm as the vendor's driver library sees them: groups, modes, units.

Time, queues and trajectories are one floor up, in `xs_driver`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math

from cosmos_policy_ros.errors import ConfigurationError, RobotError
from cosmos_policy_ros.simulation.xs_info import motor_configurations, robot_info, RobotInfo
from cosmos_policy_ros.simulation.xs_motor import raw_from_angle, XsMotor
from cosmos_policy_ros.simulation.xs_registers import (
    CONTROL_TABLE, CURRENT_BASED_POSITION_MODE, CURRENT_MODE, CURRENT_UNIT_MA,
    EXTENDED_POSITION_MODE, POSITION_MODE, PWM_MODE, RegisterRefusal, TIME_PROFILE_BIT,
    VELOCITY_MODE, VELOCITY_UNIT_RAD_S)
from cosmos_policy_ros.spec.robot import ArmSpec

# The misspelling is that of driver v0.3.3, which therefore rejects `ext_position`.
_FIRMWARE_MODES = {
    'position': POSITION_MODE, 'linear_position': POSITION_MODE,
    'ext_postition': EXTENDED_POSITION_MODE, 'velocity': VELOCITY_MODE, 'pwm': PWM_MODE,
    'current': CURRENT_MODE, 'current_based_position': CURRENT_BASED_POSITION_MODE}
_PROFILED_MODES = ('position', 'linear_position', 'ext_postition')
_GOAL_REGISTERS = {'velocity': 'Goal_Velocity', 'current': 'Goal_Current', 'pwm': 'Goal_PWM'}
_GAIN_REGISTERS = (
    'Position_P_Gain', 'Position_I_Gain', 'Position_D_Gain', 'Feedforward_1st_Gain',
    'Feedforward_2nd_Gain', 'Velocity_P_Gain', 'Velocity_I_Gain')
# What a C cast makes of something that is no number; no register accepts it.
_NOT_A_NUMBER_RAW = -2**31


class UnknownTarget(RobotError):
    """A joint, group or command type that the arm does not have."""


@dataclass
class _Group:
    joints: tuple[str, ...]
    mode: str = ''
    profile_type: str = ''


class XsMotors:
    """Motors by joint name, grouped, each with an operating mode.

    Brought up as ALOHA's mode files do: arm in `position`, gripper in `linear_position`, profiles
    unlimited, torque on. The built-in group `all` has no mode until one is set.

    Args:
        arm: The arm.
        log: Called with level and text.
    """

    def __init__(self, arm: ArmSpec, log: Callable[[str, str], None]) -> None:
        self.arm = arm
        self.by_joint = {joint: XsMotor(configuration)
                         for joint, configuration in motor_configurations(arm).items()}
        self._log = log
        self._groups = {'all': _Group(joints=tuple(self.by_joint)),
                        'arm': _Group(joints=arm.joint_names)}
        self.bring_up()

    def bring_up(self) -> None:
        """Set modes and profiles of ALOHA's mode files; ends torqued on."""
        self.set_operating_modes('group', 'arm', 'position', 'velocity', 0, 0)
        self.set_operating_modes(
            'single', self.arm.gripper_joint, 'linear_position', 'velocity', 0, 0)

    def joints(self, cmd_type: str, name: str) -> tuple[str, ...]:
        """Joints that a command type and name stand for.

        Raises:
            UnknownTarget: If there are none.
        """
        if cmd_type == 'group' and name in self._groups:
            return self._groups[name].joints
        if cmd_type == 'single' and name in self.by_joint:
            return (name,)
        raise UnknownTarget(
            f'no {cmd_type!r} named {name!r}; groups: {", ".join(self._groups)}; '
            f'singles: {", ".join(self.by_joint)}')

    def mode(self, cmd_type: str, name: str) -> str:
        """Operating mode by which commands to that target are read.

        Raises:
            UnknownTarget: If there is no such target.
        """
        self.joints(cmd_type, name)
        return (self._groups[name] if cmd_type == 'group' else self.by_joint[name]).mode

    def command(self, cmd_type: str, name: str, values: Sequence[float]) -> None:
        """Write goals in the unit of the target's mode; each motor may refuse its own.

        Raises:
            UnknownTarget: If there is no such target.
        """
        joints, mode = self.joints(cmd_type, name), self.mode(cmd_type, name)
        if len(values) != len(joints):
            self._log('error', f'{len(values)} commands do not match the {len(joints)} joints of '
                               f'{name!r}; not executed')
        elif mode not in _FIRMWARE_MODES:
            self._log('error', f'invalid mode {mode!r} while commanding {name!r}')
        else:
            register = _GOAL_REGISTERS.get(mode, 'Goal_Position')
            for joint, value in zip(joints, values):
                self._write(joint, register, self._raw(joint, mode, float(value)))

    def set_operating_modes(
        self, cmd_type: str, name: str, mode: str, profile_type: str, profile_velocity: int,
        profile_acceleration: int,
    ) -> None:
        """Change mode and profile; ends torqued on. An unknown mode is stored for a group.

        Raises:
            UnknownTarget: If there is no such target.
        """
        for joint in self.joints(cmd_type, name):
            self._write(joint, 'Torque_Enable', 0)
            if mode in _FIRMWARE_MODES:
                self._set_mode(joint, mode, profile_type, profile_velocity, profile_acceleration)
            else:
                self._log('error', f'invalid mode {mode!r} for {joint}')
            self._write(joint, 'Torque_Enable', 1)
        if cmd_type == 'group':
            self._groups[name].mode, self._groups[name].profile_type = mode, profile_type

    def torque_enable(self, cmd_type: str, name: str, enable: bool) -> None:
        """Switch torque.

        Raises:
            UnknownTarget: If there is no such target.
        """
        for joint in self.joints(cmd_type, name):
            self._write(joint, 'Torque_Enable', int(enable))

    def joints_to_reboot(self, cmd_type: str, name: str, smart_reboot: bool) -> tuple[str, ...]:
        """Joints that a reboot request means: in a smart one for a group, those in error.

        Raises:
            UnknownTarget: If there is no such target.
        """
        joints = self.joints(cmd_type, name)
        if cmd_type == 'group' and smart_reboot:
            return tuple(joint for joint in joints
                         if self.by_joint[joint].registers['Hardware_Error_Status'])
        return joints

    def set_gains(self, cmd_type: str, name: str, gains: Sequence[int]) -> None:
        """Write position P, I, D, feed-forward 1 and 2, velocity P, I.

        Raises:
            UnknownTarget: If there is no such target.
        """
        for register, gain in zip(_GAIN_REGISTERS, gains, strict=True):
            self.set_registers(cmd_type, name, register, gain)

    def set_registers(self, cmd_type: str, name: str, register: str, value: int) -> None:
        """Write a register by its exact name; refusals are logged.

        Raises:
            UnknownTarget: If there is no such target.
        """
        for joint in self.joints(cmd_type, name):
            self._write(joint, register, value)

    def get_registers(self, cmd_type: str, name: str, register: str) -> tuple[int, ...]:
        """Read a register of every joint; empty, and a log line, if there is no such register.

        Raises:
            UnknownTarget: If there is no such target.
        """
        joints = self.joints(cmd_type, name)
        if register not in CONTROL_TABLE:
            self._log('error', f'no register {register!r}; is it spelled correctly?')
            return ()
        return tuple(self.by_joint[joint].registers[register] for joint in joints)

    def info(self, cmd_type: str, name: str) -> RobotInfo:
        """Describe a group or joint.

        Raises:
            UnknownTarget: If there is no such target.
        """
        joints = self.joints(cmd_type, name)
        owner = self._groups[name] if cmd_type == 'group' else self.by_joint[name]
        return robot_info(
            self.arm, joints, mode=owner.mode, profile_type=owner.profile_type,
            names=tuple(self._groups) if name == 'all' else (name,))

    def _write(self, joint: str, register: str, value: int) -> None:
        try:
            self.by_joint[joint].write(register, value)
        except RegisterRefusal as refusal:
            self._log('warn', f'{joint} refuses: {refusal}')

    def _set_mode(self, joint: str, mode: str, profile_type: str, profile_velocity: int,
                  profile_acceleration: int) -> None:
        motor = self.by_joint[joint]
        drive_mode = motor.registers['Drive_Mode']
        if profile_type == 'time':
            drive_mode |= TIME_PROFILE_BIT
        elif profile_type == 'velocity':
            drive_mode &= ~TIME_PROFILE_BIT
        self._write(joint, 'Drive_Mode', drive_mode)
        self._write(joint, 'Operating_Mode', _FIRMWARE_MODES[mode])
        if mode in _PROFILED_MODES:
            self._write(joint, 'Profile_Velocity', profile_velocity)
        if mode in (*_PROFILED_MODES, 'velocity'):
            self._write(joint, 'Profile_Acceleration', profile_acceleration)
        motor.mode, motor.profile_type = mode, profile_type

    def _raw(self, joint: str, mode: str, value: float) -> int:
        if mode == 'linear_position':
            value = self._angle_from_separation(joint, value)
        if not math.isfinite(value):
            return _NOT_A_NUMBER_RAW
        if mode == 'velocity':
            return int(value / VELOCITY_UNIT_RAD_S)
        if mode == 'current':
            return int(value / CURRENT_UNIT_MA)
        return int(value) if mode == 'pwm' else raw_from_angle(value)

    def _angle_from_separation(self, joint: str, separation_m: float) -> float:
        if joint != self.arm.gripper_joint:
            return math.nan
        try:
            return self.arm.geometry.angle_from_separation(separation_m)
        except ConfigurationError:
            return math.nan
