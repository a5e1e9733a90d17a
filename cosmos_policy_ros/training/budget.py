# SPDX-License-Identifier: Apache-2.0
"""How long a run lasts: a number of steps, or a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import distributed

from cosmos_policy_ros.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a run ends; exactly one of the two is given.

    Attributes:
        steps: Steps of the run.
        minutes: Time of the run in [min]. The learning rate then follows the clock, and a run
            that is resumed no longer repeats another one bit by bit.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ConfigurationError(
                f'steps is {self.steps} and minutes {self.minutes}; give one of them')
        if not (self.steps or self.minutes) > 0:
            raise ConfigurationError(
                f'a run of {self.steps or self.minutes} steps or minutes ends before it begins')

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return the share of the run that is done, 0 to 1."""
        share = elapsed_s / 60 / self.minutes if self.minutes else step / self.steps
        return min(1.0, share)


class Stopwatch:
    """Time that a run has taken, in all its parts together; that of the first process counts.

    Args:
        clock: Monotonic time in [ns].
        before_s: Time that earlier parts took in [s].
    """

    def __init__(self, clock: Callable[[], int], before_s: float) -> None:
        self._clock = clock
        self._start_ns = clock()
        self._before_s = before_s

    @property
    def elapsed_s(self) -> float:
        """Time so far in [s], the same in every process."""
        elapsed = torch.tensor(
            self._before_s + (self._clock() - self._start_ns) / 1e9, dtype=torch.float64)
        if distributed.is_initialized():
            distributed.broadcast(elapsed, src=0)
        return float(elapsed)
