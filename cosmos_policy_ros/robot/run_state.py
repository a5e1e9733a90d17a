# SPDX-License-Identifier: Apache-2.0
"""What the arms are doing, and why they are not doing more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RunState(str, Enum):
    """What the arm controller does with its ticks."""

    INACTIVE = 'inactive'
    """Commands nothing at all."""
    HOLDING = 'holding'
    """Holds the pose measured when it stopped; only an explicit start leads out."""
    WAITING = 'waiting'
    """Started; stands still until a valid chunk covers the present."""
    MOVING = 'moving'
    """Follows a chunk."""
    POSITIONING = 'positioning'
    """Goes slowly to a pose that a person asked for; chunks are refused meanwhile."""


class StopReason(str, Enum):
    """Why the arms do not follow a chunk."""

    NONE = 'none'
    REQUESTED = 'requested'
    ARRIVED = 'arrived'
    NOT_STARTED = 'not_started'
    DEACTIVATED = 'deactivated'
    CHUNK_MISSING = 'chunk_missing'
    CHUNK_REJECTED = 'chunk_rejected'
    JOINT_STATES_MISSING = 'joint_states_missing'
    JOINT_STATES_STALE = 'joint_states_stale'
    JOINT_STATES_IMPLAUSIBLE = 'joint_states_implausible'
    FOREIGN_COMMANDER = 'foreign_commander'
    DRIVER_MODE = 'driver_mode'
    TORQUE_OFF = 'torque_off'
    LIMITS_MISMATCH = 'limits_mismatch'
    MOTOR_ERROR = 'motor_error'
    DRIVER_DEAD = 'driver_dead'
    POLICY_DEAD = 'policy_dead'
    IMAGES_STALE = 'images_stale'
    EMERGENCY_STOP = 'emergency_stop'
    FOLLOWING_ERROR = 'following_error'
    START_GAP = 'start_gap'
    CLOCK_WENT_BACK = 'clock_went_back'
    CONTROL_STALLED = 'control_stalled'
    INTERNAL_ERROR = 'internal_error'


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason why the arms may not move.

    Attributes:
        reason: Kind of the problem.
        text: What is wrong, with the value and what is allowed.
    """

    reason: StopReason
    text: str
