# SPDX-License-Identifier: Apache-2.0
"""One X-series motor: its registers, its profile generator, and what it aims at.

Simplifications: gains are stored but do not change the physics; a PWM of 100 % counts as the
stall current; position profiles are trapezoids.
"""

from __future__ import annotations

from collections.abc import Mapping
import math

from cosmos_policy_ros.simulation.xs_registers import (
    ACCELERATION_UNIT_RAD_S2, CURRENT_BASED_POSITION_MODE, CURRENT_MODE, CURRENT_UNIT_MA,
    POSITION_UNIT_RAD, PWM_MODE, Registers, TIME_PROFILE_BIT, VELOCITY_MODE, VELOCITY_UNIT_RAD_S,
    ZERO_POSITION)

_STALL_CURRENT_MA = {1020: 2300.0, 1120: 4400.0}
# How far ahead of the shaft a torque-controlled or stalled motor aims, in [rad].
_FAR_RAD = 10.0
_WIND_UP_RAD = 0.5


def raw_from_angle(angle_rad: float) -> int:
    """Position register value of an angle, truncated as the driver does."""
    return int(ZERO_POSITION + angle_rad / POSITION_UNIT_RAD)


def angle_from_raw(raw: int) -> float:
    """Angle in [rad] of a position register value."""
    return (raw - ZERO_POSITION) * POSITION_UNIT_RAD


class XsMotor:
    """A motor that follows its registers.

    Attributes:
        registers: Control table; write through `write`.
        mode: Name of the operating mode as the driver remembers it.
        profile_type: `velocity` or `time`, as the driver remembers it.
    """

    def __init__(self, configuration: Mapping[str, int]) -> None:
        self.registers = Registers(configuration)
        self.mode = 'position'
        self.profile_type = 'velocity'
        self._angle_rad = 0.0
        self._reference_rad = 0.0
        self._speed_rad_s = 0.0
        self._time_profile: tuple[float, float] | None = None

    def write(self, name: str, value: int) -> None:
        """Write a register, with the motor's side effects.

        Raises:
            RegisterRefusal: If the motor refuses.
        """
        was_on = self.registers['Torque_Enable']
        self.registers.write(name, value)
        if name == 'Torque_Enable' and value and not was_on:
            self.rest()
        if name == 'Goal_Position':
            self._plan_time_profile(angle_from_raw(value))

    def rest(self) -> None:
        """Take the present angle as reference and goal."""
        self._reference_rad, self._speed_rad_s = self._angle_rad, 0.0
        self._time_profile = None
        self.registers.report('Goal_Position', raw_from_angle(self._angle_rad))
        self.registers.report('Goal_Velocity', 0)

    def reboot(self) -> None:
        """Clear RAM: torque off, gains and profiles at their defaults, no hardware error."""
        self.registers.clear_ram()

    def fail(self, error_bits: int) -> None:
        """Raise a hardware error; bits listed in Shutdown also cut the torque."""
        self.registers.report('Hardware_Error_Status', error_bits)
        if error_bits & self.registers['Shutdown']:
            self.registers.report('Torque_Enable', 0)

    def measure(self, angle_rad: float, speed_rad_s: float, current_ma: float) -> None:
        """Take over the shaft's state, in the registers' resolution."""
        self._angle_rad = angle_rad
        report = self.registers.report
        report('Present_Position', round(ZERO_POSITION + angle_rad / POSITION_UNIT_RAD))
        report('Present_Velocity', round(speed_rad_s / VELOCITY_UNIT_RAD_S))
        report('Present_Current', round(current_ma / CURRENT_UNIT_MA))

    def aim(self, duration_s: float) -> tuple[float, float]:
        """Advance the profile by `duration_s` > 0; return angle in [rad] and ceiling in [mA]."""
        if not self.registers['Torque_Enable']:
            self._reference_rad, self._speed_rad_s = self._angle_rad, 0.0
            return self._angle_rad, 0.0
        mode = self.registers['Operating_Mode']
        if mode == CURRENT_MODE:
            return self._push(self.registers['Goal_Current'] * CURRENT_UNIT_MA)
        if mode == PWM_MODE:
            stall_ma = _STALL_CURRENT_MA[self.registers['Model_Number']]
            return self._push(self.registers['Goal_PWM'] / 885 * stall_ma)
        if mode == VELOCITY_MODE:
            return self._turn(duration_s), math.inf
        self._approach(angle_from_raw(self.registers['Goal_Position']), duration_s)
        if mode == CURRENT_BASED_POSITION_MODE:
            return self._reference_rad, abs(self.registers['Goal_Current']) * CURRENT_UNIT_MA
        return self._reference_rad, math.inf

    def _push(self, current_ma: float) -> tuple[float, float]:
        self._reference_rad, self._speed_rad_s = self._angle_rad, 0.0
        return self._angle_rad + math.copysign(_FAR_RAD, current_ma), abs(current_ma)

    def _turn(self, duration_s: float) -> float:
        goal = self.registers['Goal_Velocity'] * VELOCITY_UNIT_RAD_S
        step = self._acceleration_limit() * duration_s
        self._speed_rad_s += max(-step, min(step, goal - self._speed_rad_s))
        ahead = self._reference_rad + self._speed_rad_s * duration_s - self._angle_rad
        self._reference_rad = self._angle_rad + max(-_WIND_UP_RAD, min(_WIND_UP_RAD, ahead))
        return self._reference_rad

    def _approach(self, goal_rad: float, duration_s: float) -> None:
        error = goal_rad - self._reference_rad
        limit, acceleration = self._time_profile or (
            self._speed_limit(), self._acceleration_limit())
        braking = math.sqrt(2 * acceleration * abs(error)) if error else 0.0
        wanted = math.copysign(min(limit, braking, abs(error) / duration_s), error)
        step = acceleration * duration_s
        self._speed_rad_s += max(-step, min(step, wanted - self._speed_rad_s))
        self._reference_rad += self._speed_rad_s * duration_s

    def _speed_limit(self) -> float:
        limit = self.registers['Velocity_Limit']
        profile = self.registers['Profile_Velocity']
        return (min(limit, profile) if profile else limit) * VELOCITY_UNIT_RAD_S

    def _acceleration_limit(self) -> float:
        units = self.registers['Profile_Acceleration']
        if self.registers['Drive_Mode'] & TIME_PROFILE_BIT:
            return math.inf
        return units * ACCELERATION_UNIT_RAD_S2 if units else math.inf

    def _plan_time_profile(self, goal_rad: float) -> None:
        duration_s = self.registers['Profile_Velocity'] / 1000
        self._time_profile = None
        if self.registers['Drive_Mode'] & TIME_PROFILE_BIT and duration_s:
            ramp_s = min(self.registers['Profile_Acceleration'] / 1000, duration_s / 2)
            # A motor under way to an older goal overshoots the new one while it brakes.
            under_way = abs(self._speed_rad_s)
            distance = max(abs(goal_rad - self._reference_rad), under_way * ramp_s)
            speed = distance / (duration_s - ramp_s)
            limit = self.registers['Velocity_Limit'] * VELOCITY_UNIT_RAD_S
            self._time_profile = (
                min(speed, limit), max(speed, under_way) / ramp_s if ramp_s else math.inf)
