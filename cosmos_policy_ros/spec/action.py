# SPDX-License-Identifier: Apache-2.0
"""What the policy asks for: joint targets, timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.spec.arrays import locked_array


@dataclass(frozen=True, kw_only=True)
class ActionChunk:
    """Joint targets for consecutive steps.

    Attributes:
        positions: Targets, arms in [rad], grippers 0 closed to 1 open. Shape (K, A), float64.
        stamp_ns: Time of the observation behind the chunk, in [ns], on the robot's clock.
        period_ns: Spacing in [ns]; target k is due at stamp_ns + (k + 1) * period_ns.

    Raises:
        PredictionError: If positions are empty, not finite or not two-dimensional, or the period
            is not positive.
    """

    positions: np.ndarray
    stamp_ns: int
    period_ns: int

    def __post_init__(self) -> None:
        object.__setattr__(self, 'positions', locked_array(
            'action chunk', self.positions, dtype=np.float64, shape=(None, None),
            error=PredictionError))
        if self.period_ns <= 0 or not len(self.positions):
            raise PredictionError(
                f'action chunk of {len(self.positions)} targets every {self.period_ns} ns; '
                'at least one target and a positive period are required')

    def due_ns(self, index: int) -> int:
        """Time in [ns] at which target `index` is due."""
        return self.stamp_ns + (index + 1) * self.period_ns

    @property
    def end_ns(self) -> int:
        """Time in [ns] at which the last target is due."""
        return self.due_ns(len(self.positions) - 1)


@dataclass(frozen=True, kw_only=True)
class JointCommand:
    """One target for both arms, checked by the safety layer.

    Attributes:
        positions: Target, arms in [rad], grippers 0 closed to 1 open. Shape (A,), float64.
        stamp_ns: Time of the control tick it was computed for, in [ns].
    """

    positions: np.ndarray
    stamp_ns: int

    def __post_init__(self) -> None:
        object.__setattr__(self, 'positions', locked_array(
            'joint command', self.positions, dtype=np.float64, shape=(None,),
            error=PredictionError))
