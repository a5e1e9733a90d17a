# SPDX-License-Identifier: Apache-2.0
"""Limits that every joint command passes: finite, inside the joint limits, not too fast.

`acceleration_limit` adds that no speed changes too fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.robot import RobotSpec


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """What a joint command may be.

    Attributes:
        joint_names: Names of the joint vector, A of them.
        lower: Lowest positions, arms in [rad], grippers 0 closed to 1 open. Shape (A,).
        upper: Highest positions. Shape (A,).
        velocity_limit: Highest speeds, arms in [rad/s], grippers in [1/s]. Shape (A,).
        acceleration_limit: Largest changes of speed, arms in [rad/s^2], grippers in [1/s^2].
            Shape (A,).
        is_arm_joint: False for the grippers, whose measured opening is not the commanded one.
            Shape (A,), bool.

    Raises:
        ConfigurationError: If the lengths differ, a number is not finite, an upper limit is
            below the lower one, or a speed or acceleration is not positive.
    """

    joint_names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity_limit: np.ndarray
    acceleration_limit: np.ndarray
    is_arm_joint: np.ndarray

    def __post_init__(self) -> None:
        size = len(self.joint_names)
        for name, dtype in (('lower', np.float64), ('upper', np.float64),
                            ('velocity_limit', np.float64),
                            ('acceleration_limit', np.float64), ('is_arm_joint', np.bool_)):
            object.__setattr__(self, name, locked_array(
                f'safety limit {name}', getattr(self, name), dtype=dtype, shape=(size,),
                error=ConfigurationError))
        for name, lower, upper, speed, acceleration in zip(
                self.joint_names, self.lower, self.upper, self.velocity_limit,
                self.acceleration_limit):
            if upper < lower:
                raise ConfigurationError(
                    f'{name} may move from {lower} to {upper}; the upper limit must not be below '
                    'the lower one')
            if speed <= 0 or acceleration <= 0:
                raise ConfigurationError(
                    f'speed limit of {name} is {speed} and its acceleration limit is '
                    f'{acceleration}; both must be positive')

    @classmethod
    def from_robot(
        cls, robot: RobotSpec, *, position_margin_rad: float, velocity_scale: float,
        max_acceleration_rad_s2: float,
    ) -> SafetyLimits:
        """Return the robot's limits, narrowed by a margin and slowed by a factor.

        Args:
            robot: The robot.
            position_margin_rad: Distance kept from the limits of the arm joints in [rad].
            velocity_scale: Share of the speed limits that is used, in (0, 1].
            max_acceleration_rad_s2: Largest change of a motor's speed in [rad/s^2].

        Raises:
            ConfigurationError: If the margin is negative or leaves no room, the scale is outside
                (0, 1], or the acceleration is not positive and finite.
        """
        if not position_margin_rad >= 0:
            raise ConfigurationError(
                f'position_margin_rad is {position_margin_rad}; allowed is 0 or more')
        if not 0 < velocity_scale <= 1:
            raise ConfigurationError(
                f'velocity_scale is {velocity_scale}; allowed is above 0, up to 1')
        is_arm_joint = np.ones(robot.num_joints, dtype=np.bool_)
        is_arm_joint[list(robot.gripper_indices)] = False
        margin = position_margin_rad * is_arm_joint
        # A gripper's motor turns by the same laws; its opening counts in strokes.
        motor_speed = max(robot.velocity_limit[is_arm_joint])
        acceleration = max_acceleration_rad_s2 * np.where(
            is_arm_joint, 1.0, robot.velocity_limit / motor_speed)
        return cls(
            joint_names=robot.joint_names,
            lower=robot.lower + margin, upper=robot.upper - margin,
            velocity_limit=robot.velocity_limit * velocity_scale,
            acceleration_limit=acceleration, is_arm_joint=is_arm_joint)

    def clip(self, positions: np.ndarray) -> np.ndarray:
        """Return the nearest positions inside the limits. Shape (A,)."""
        return np.clip(positions, self.lower, self.upper)

    def slowed(self, speed_rad_s: float) -> SafetyLimits:
        """Return limits under which no arm joint is faster than `speed_rad_s` in [rad/s]."""
        slow = np.minimum(self.velocity_limit, speed_rad_s)
        return replace(
            self, velocity_limit=np.where(self.is_arm_joint, slow, self.velocity_limit))

    def widened_to(self, pose: np.ndarray) -> SafetyLimits:
        """Return limits that also contain `pose`, so that holding it is no motion."""
        return replace(
            self, lower=np.minimum(self.lower, pose), upper=np.maximum(self.upper, pose))

    def with_least_openings(self, openings: np.ndarray) -> SafetyLimits:
        """Return limits under which no gripper closes beyond its entry of `openings`, (A,)."""
        least = np.clip(openings, self.lower, self.upper)
        return replace(self, lower=np.where(self.is_arm_joint, self.lower, least))


@dataclass(frozen=True, kw_only=True)
class LimitedTarget:
    """A target after the limits.

    Attributes:
        positions: Shape (A,), float64.
        clamped_position: Joints whose target lay outside the limits. Shape (A,), bool.
        clamped_velocity: Joints whose target was too far away for one step. Shape (A,), bool.
        clamped_acceleration: Joints that reached neither the target nor the speed limit because
            that would have taken too large a change of speed. Shape (A,), bool.
    """

    positions: np.ndarray
    clamped_position: np.ndarray
    clamped_velocity: np.ndarray
    clamped_acceleration: np.ndarray


def limit_target(
    target: np.ndarray, last_command: np.ndarray, dt_s: float, limits: SafetyLimits,
) -> LimitedTarget:
    """Return the position nearest to `target` that is allowed after `last_command`.

    A joint whose last command lies outside the limits moves towards them no faster than the speed
    limit and, once inside, stays inside.

    Args:
        target: Wanted positions. Shape (A,).
        last_command: Positions commanded before, or measured if there was no command. Shape (A,).
        dt_s: Time since then in [s].
        limits: What is allowed.

    Raises:
        PredictionError: If an array is not finite or has the wrong length, or the time is
            negative or not finite.
    """
    shape = limits.lower.shape
    target = locked_array('target', target, dtype=np.float64, shape=shape, error=PredictionError)
    last = locked_array(
        'last command', last_command, dtype=np.float64, shape=shape, error=PredictionError)
    if not 0 <= dt_s < np.inf:
        raise PredictionError(f'time since the last command is {dt_s} s; allowed is 0 or more')
    inside = limits.clip(target)
    step = limits.velocity_limit * dt_s
    positions = np.clip(inside, last - step, last + step)
    positions.setflags(write=False)
    return LimitedTarget(
        positions=positions, clamped_position=inside != target,
        clamped_velocity=positions != inside,
        clamped_acceleration=np.zeros(shape, np.bool_))


def largest_gap(
    a: np.ndarray, b: np.ndarray, limits: SafetyLimits,
) -> tuple[str, float]:
    """Return which arm joint differs most between two poses, and by how much in [rad].

    Args:
        a: One pose. Shape (A,).
        b: The other pose. Shape (A,).
        limits: Tells arm joints from grippers.
    """
    gaps = np.where(limits.is_arm_joint, np.abs(a - b), 0.0)
    index = int(np.argmax(gaps))
    return limits.joint_names[index], float(gaps[index])
