# SPDX-License-Identifier: Apache-2.0
"""Commands whose speed changes gradually: they brake in time for targets and for joint limits.

What holds for every command that follows a command at rest under the same limits, however long
the steps are: positions stay inside the limits, speeds below theirs, and no speed changes by more
than the acceleration limit a times the step, upwards or downwards; only that arms may still have
sqrt(2 a SAME_SPEED step), a thousandth of a radian per second, when they arrive at a target. When
limits shrink during a motion, position and speed limits hold and the change of speed gives way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cosmos_policy_ros.robot.safety import limit_target, LimitedTarget, SafetyLimits

# A speed that differs by less per [s] from the one that reaches the target reaches it.
SAME_SPEED = 1e-6
LONGEST_BRAKING = 50


@dataclass(frozen=True, kw_only=True)
class CommandedMotion:
    """How the commands move.

    Attributes:
        positions: The last command. Shape (A,).
        velocities: Its change per [s]. Shape (A,).
        target: What it was to reach, inside the limits. Shape (A,).
    """

    positions: np.ndarray
    velocities: np.ndarray
    target: np.ndarray

    @classmethod
    def at_rest(cls, positions: np.ndarray) -> CommandedMotion:
        """Return the motion of arms that stand still at `positions`, shape (A,)."""
        return cls(positions=positions, velocities=np.zeros(len(positions)), target=positions)

    def after(self, limited: LimitedTarget, target: np.ndarray, dt_s: float) -> CommandedMotion:
        """Return the motion after a step of `dt_s` in [s]; one of no duration changes no speed."""
        velocities = ((limited.positions - self.positions) / dt_s if dt_s > 0
                      else self.velocities)
        return CommandedMotion(
            positions=limited.positions, velocities=velocities, target=target)


def limit_motion(
    target: np.ndarray, last: CommandedMotion, dt_s: float, limits: SafetyLimits,
) -> LimitedTarget:
    """Return the position that follows `target` as closely as is allowed after `last`.

    Args:
        target: Wanted positions. Shape (A,).
        last: The commands so far.
        dt_s: Time since the last command in [s].
        limits: What is allowed.

    Raises:
        PredictionError: As `limit_target`.
    """
    limited = limit_target(target, last.positions, dt_s, limits)
    if dt_s == 0:
        return limited
    x, v, a = last.positions, last.velocities, limits.acceleration_limit
    wanted = (limited.positions - x) / dt_s
    speed = np.clip(_pursuit(limits.clip(target), last, dt_s, limits), v - a * dt_s, v + a * dt_s)
    speed = np.clip(
        speed, -_free_speed(x - limits.lower, -v, a, dt_s),
        _free_speed(limits.upper - x, v, a, dt_s))
    speed = np.clip(speed, -limits.velocity_limit, limits.velocity_limit)
    is_reached = np.abs(speed - wanted) <= SAME_SPEED
    positions = np.where(is_reached, limited.positions, np.clip(
        x + speed * dt_s, np.minimum(limits.lower, x), np.maximum(limits.upper, x)))
    positions.setflags(write=False)
    return replace(limited, positions=positions, clamped_acceleration=~is_reached)


def braking_distance(speed: np.ndarray, acceleration: np.ndarray, dt_s: float) -> np.ndarray:
    """Return the room that a step at some speed needs, braking from its end on. Shape (A,).

    No sequence of later steps, whatever their lengths, needs more: a speed v that falls by a * dt
    before each of them covers less than v^2 / (2 a).

    Args:
        speed: Speed of the step, not negative. Shape (A,).
        acceleration: Largest change of speed, per [s]. Shape (A,).
        dt_s: Duration of the step in [s].
    """
    return speed * dt_s + speed**2 / (2 * acceleration)


def braking_speed(distance: np.ndarray, acceleration: np.ndarray, dt_s: float) -> np.ndarray:
    """Return the speed whose `braking_distance` is `distance`; its inverse. Shape (A,)."""
    return acceleration * (np.sqrt(dt_s**2 + 2 * distance / acceleration) - dt_s)


def resting_positions(
    motion: CommandedMotion, limits: SafetyLimits, period_s: float,
) -> np.ndarray:
    """Return where the arms come to rest if they brake from now on, inside the limits. (A,)."""
    a = limits.acceleration_limit
    next_speed = np.maximum(np.abs(motion.velocities) - a * period_s, 0.0)
    way = np.sign(motion.velocities) * braking_distance(next_speed, a, period_s)
    return limits.clip(motion.positions + way)


def braking_course(
    motion: CommandedMotion, limits: SafetyLimits, period_s: float,
) -> tuple[np.ndarray, ...]:
    """Return the positions, each of shape (A,), through which the arms come to rest.

    They are one period apart, stay inside the limits and end with the one that is held; empty for
    arms at rest. Braking that would take longer than `LONGEST_BRAKING` periods ends there.
    """
    positions, velocities, course = motion.positions, motion.velocities, []
    change = limits.acceleration_limit * period_s
    for _ in range(LONGEST_BRAKING):
        velocities = np.sign(velocities) * np.maximum(np.abs(velocities) - change, 0.0)
        if not velocities.any():
            break
        positions = limits.clip(positions + velocities * period_s)
        course.append(positions)
    return tuple(course)


def _pursuit(
    target: np.ndarray, last: CommandedMotion, dt_s: float, limits: SafetyLimits,
) -> np.ndarray:
    """Speed that keeps up with the target and closes the gap to it without passing it."""
    own = np.clip(
        (target - last.target) / dt_s, -limits.velocity_limit, limits.velocity_limit)
    gap = target - own * dt_s - last.positions
    return own + np.sign(gap) * braking_speed(np.abs(gap), limits.acceleration_limit, dt_s)


def _free_speed(
    room: np.ndarray, speed: np.ndarray, acceleration: np.ndarray, dt_s: float,
) -> np.ndarray:
    """Highest speed towards a limit: braking in time, and never so hard as to jump back."""
    room = np.maximum(room, 0.0)
    slowest = np.minimum(speed - acceleration * dt_s, room / dt_s)
    return np.maximum(braking_speed(room, acceleration, dt_s), slowest)
