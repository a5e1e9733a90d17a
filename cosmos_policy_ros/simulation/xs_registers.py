# SPDX-License-Identifier: Apache-2.0
"""Control table of an X-series Dynamixel motor and what the firmware lets one write.

Addresses and sizes: ROBOTIS' table for XM430/XM540. Initial values are the models' defaults
where an ALOHA motor configuration does not set them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math

from cosmos_policy_ros.errors import RobotError

RAM_START = 64
ZERO_POSITION = 2048
POSITION_UNIT_RAD = math.pi / 2048
VELOCITY_UNIT_RAD_S = 0.229 * 2 * math.pi / 60
ACCELERATION_UNIT_RAD_S2 = 214.577 * 2 * math.pi / 3600
CURRENT_UNIT_MA = 2.69

CURRENT_MODE, VELOCITY_MODE, POSITION_MODE = 0, 1, 3
EXTENDED_POSITION_MODE, CURRENT_BASED_POSITION_MODE, PWM_MODE = 4, 5, 16
OPERATING_MODES = (CURRENT_MODE, VELOCITY_MODE, POSITION_MODE, EXTENDED_POSITION_MODE,
                   CURRENT_BASED_POSITION_MODE, PWM_MODE)
TIME_PROFILE_BIT = 0x04


class RegisterRefusal(RobotError):
    """A motor that refuses to write or read a register."""


@dataclass(frozen=True)
class Register:
    """One item of the control table.

    Attributes:
        address: First byte; below 64 is EEPROM, which cannot be written while torque is on.
        size: Bytes.
        initial: Value after power-up of a fresh motor.
        low: Least value the motor accepts.
        high: Greatest value the motor accepts; None for read-only items.
    """

    address: int
    size: int
    initial: int = 0
    low: int = 0
    high: int | None = None


_INT32 = 2**31 - 1

CONTROL_TABLE: Mapping[str, Register] = {
    'Model_Number': Register(0, 2, 1120),
    'Firmware_Version': Register(6, 1, 45),
    'ID': Register(7, 1, 1, 0, 252),
    'Baud_Rate': Register(8, 1, 3, 0, 7),
    'Return_Delay_Time': Register(9, 1, 0, 0, 254),
    'Drive_Mode': Register(10, 1, 0, 0, 13),
    'Operating_Mode': Register(11, 1, POSITION_MODE, 0, 16),
    'Secondary_ID': Register(12, 1, 255, 0, 255),
    'Homing_Offset': Register(20, 4, 0, -1044479, 1044479),
    'Moving_Threshold': Register(24, 4, 10, 0, 1023),
    'Temperature_Limit': Register(31, 1, 80, 0, 100),
    'Max_Voltage_Limit': Register(32, 2, 160, 95, 160),
    'Min_Voltage_Limit': Register(34, 2, 95, 95, 160),
    'PWM_Limit': Register(36, 2, 885, 0, 885),
    'Current_Limit': Register(38, 2, 2047, 0, 2047),
    'Velocity_Limit': Register(44, 4, 131, 0, 1023),
    'Max_Position_Limit': Register(48, 4, 4095, 0, 4095),
    'Min_Position_Limit': Register(52, 4, 0, 0, 4095),
    'Startup_Configuration': Register(60, 1, 0, 0, 3),
    'Shutdown': Register(63, 1, 0x34, 0, 0x3D),
    'Torque_Enable': Register(64, 1, 0, 0, 1),
    'LED': Register(65, 1, 0, 0, 1),
    'Hardware_Error_Status': Register(70, 1),
    'Velocity_I_Gain': Register(76, 2, 1920, 0, 16383),
    'Velocity_P_Gain': Register(78, 2, 100, 0, 16383),
    'Position_D_Gain': Register(80, 2, 0, 0, 16383),
    'Position_I_Gain': Register(82, 2, 0, 0, 16383),
    'Position_P_Gain': Register(84, 2, 800, 0, 16383),
    'Feedforward_2nd_Gain': Register(88, 2, 0, 0, 16383),
    'Feedforward_1st_Gain': Register(90, 2, 0, 0, 16383),
    'Bus_Watchdog': Register(98, 1, 0, 0, 127),
    'Goal_PWM': Register(100, 2, 885, -885, 885),
    'Goal_Current': Register(102, 2, 2047, -2047, 2047),
    'Goal_Velocity': Register(104, 4, 0, -1023, 1023),
    'Profile_Acceleration': Register(108, 4, 0, 0, 32767),
    'Profile_Velocity': Register(112, 4, 0, 0, 32767),
    'Goal_Position': Register(116, 4, ZERO_POSITION, -_INT32, _INT32),
    'Moving': Register(122, 1),
    'Moving_Status': Register(123, 1),
    'Present_PWM': Register(124, 2),
    'Present_Current': Register(126, 2),
    'Present_Velocity': Register(128, 4),
    'Present_Position': Register(132, 4, ZERO_POSITION),
    'Present_Input_Voltage': Register(144, 2, 120),
    'Present_Temperature': Register(146, 1, 35),
}

_LIMIT_OF_GOAL = {'Goal_PWM': 'PWM_Limit', 'Goal_Current': 'Current_Limit',
                  'Goal_Velocity': 'Velocity_Limit'}


class Registers:
    """The registers of one motor, with the firmware's checks on every write."""

    def __init__(self, configuration: Mapping[str, int]) -> None:
        self._values = {name: register.initial for name, register in CONTROL_TABLE.items()}
        self._values.update(configuration)
        self.clear_ram()

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def clear_ram(self) -> None:
        """Return everything above EEPROM to its value after power-up."""
        for name, register in CONTROL_TABLE.items():
            if register.address >= RAM_START:
                self._values[name] = register.initial
        self._values['Goal_Current'] = self._values['Current_Limit']
        self._values['Goal_PWM'] = self._values['PWM_Limit']

    def report(self, name: str, value: int) -> None:
        """Let the motor itself change a register, for example a present value."""
        self._values[name] = value

    def write(self, name: str, value: int) -> None:
        """Write a register as a bus master would.

        Raises:
            RegisterRefusal: If the motor would refuse it.
        """
        register = CONTROL_TABLE.get(name)
        if register is None:
            raise RegisterRefusal(f'no register {name!r}')
        if register.high is None:
            raise RegisterRefusal(f'{name} is read-only')
        if register.address < RAM_START and self._values['Torque_Enable']:
            raise RegisterRefusal(f'{name} is in EEPROM and torque is on')
        low, high = self._range(name, register)
        if not low <= value <= high:
            raise RegisterRefusal(f'{name} {value} is outside {low} to {high}')
        self._check_state(name, value)
        self._values[name] = value

    def _range(self, name: str, register: Register) -> tuple[int, int]:
        if name == 'Goal_Position':
            if self._values['Operating_Mode'] in (POSITION_MODE, CURRENT_BASED_POSITION_MODE):
                return self._values['Min_Position_Limit'], self._values['Max_Position_Limit']
        if name in _LIMIT_OF_GOAL:
            limit = self._values[_LIMIT_OF_GOAL[name]]
            return -limit, limit
        return register.low, register.high

    def _check_state(self, name: str, value: int) -> None:
        if name == 'Operating_Mode' and value not in OPERATING_MODES:
            raise RegisterRefusal(f'Operating_Mode {value} is not one of {OPERATING_MODES}')
        if name == 'Torque_Enable' and value and self._values['Hardware_Error_Status']:
            raise RegisterRefusal(
                f'hardware error 0x{self._values["Hardware_Error_Status"]:02x} latches torque off')
