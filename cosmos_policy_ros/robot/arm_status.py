# SPDX-License-Identifier: Apache-2.0
"""What the arm controller reports about itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.robot.motion_settings import Strategy
from cosmos_policy_ros.robot.run_state import RunState, StopReason


@dataclass(frozen=True, kw_only=True)
class ArmCounters:
    """What happened since the controller was created.

    Attributes:
        ticks: Control ticks that produced a command.
        late_ticks: Ticks that came more than 1.5 periods after the one before.
        chunks_accepted: Chunks that were taken.
        chunks_rejected: Chunks that were not.
        late_actions: Actions of accepted chunks that were due on receipt already.
        position_clamps: Ticks on which a chunk's target lay outside the position limits.
        velocity_clamps: Ticks on which a chunk's target was too far away for one step.
        acceleration_clamps: Ticks on which the speed could not change as fast as the target's.
        gripper_clamps: Ticks on which a gripper was kept from squeezing harder.
    """

    ticks: int = 0
    late_ticks: int = 0
    chunks_accepted: int = 0
    chunks_rejected: int = 0
    late_actions: int = 0
    position_clamps: int = 0
    velocity_clamps: int = 0
    acceleration_clamps: int = 0
    gripper_clamps: int = 0


@dataclass(frozen=True, kw_only=True)
class ArmStatus:
    """The arm controller at one moment.

    Attributes:
        state: What it does.
        strategy: How it turns chunks into motion.
        reason: Why it does not follow a chunk; NONE while it does.
        detail: The reason with values; may be empty.
        since_ns: Time at which it came to this state in [ns]; None before the first start or stop.
        target: Last commanded joint vector, shape (A,); None while nothing is commanded.
        measured: Last measured joint vector, shape (A,); None until every arm reported.
        joint_age_s: Age of the arm heard longest ago in [s]; None until every arm reported.
        counters: What happened so far.
    """

    state: RunState
    strategy: Strategy
    reason: StopReason
    detail: str
    since_ns: int | None
    target: np.ndarray | None
    measured: np.ndarray | None
    joint_age_s: float | None
    counters: ArmCounters

    @property
    def is_fault(self) -> bool:
        """Whether the arms stopped by themselves; nobody asked for it and they did not arrive."""
        return self.state is RunState.HOLDING and self.reason not in (
            StopReason.REQUESTED, StopReason.ARRIVED)
