# SPDX-License-Identifier: Apache-2.0
"""Measures the stages of one query, and knows how much of its time is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from cosmos_policy_ros.spec.stage_timing import StageTiming

NANOSECOND_S = 1e-9


class StageClock:
    """Starts when it is made.

    Args:
        clock: Monotonic time in [ns].
        device: Where the work runs; a stage ends when its work is done there.
    """

    def __init__(self, clock: Callable[[], int], device: torch.device) -> None:
        self._clock = clock
        self._device = device
        self._start_ns = clock()
        self._durations_s: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Time since the query began in [s]."""
        return (self._clock() - self._start_ns) * NANOSECOND_S

    @property
    def last_s(self) -> float:
        """Duration of the stage that ended last in [s]."""
        return self._last_s

    @property
    def timings(self) -> tuple[StageTiming, ...]:
        """Total duration of each stage, in the order of their first run."""
        return tuple(StageTiming(name=name, duration_s=duration_s)
                     for name, duration_s in self._durations_s.items())

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs inside; a stage may run more than once."""
        begin_s = self.elapsed_s
        yield
        if self._device.type == 'cuda':
            torch.cuda.synchronize(self._device)
        self._last_s = self.elapsed_s - begin_s
        self._durations_s[name] = self._durations_s.get(name, 0.0) + self._last_s
