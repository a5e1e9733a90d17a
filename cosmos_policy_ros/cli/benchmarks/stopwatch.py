# SPDX-License-Identifier: Apache-2.0
"""Times calls on a device."""

from __future__ import annotations

from collections.abc import Callable
import time

import torch

MAX_S = 10.0


class Stopwatch:
    """Repeats calls until there are enough samples or too much time has passed.

    Args:
        device: Where the work runs; a call ends when its work is done there.
        repeats: Samples wanted of each call.
        clock: Time in [s].
    """

    def __init__(
        self, device: torch.device, repeats: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.device = device
        self._repeats = repeats
        self._clock = clock

    def samples_ms(self, call: Callable[[], object]) -> list[float]:
        """Call once to warm up; then return durations, at least one, in [ms]."""
        self._once_ms(call)
        samples_ms: list[float] = []
        while not samples_ms or (
                len(samples_ms) < self._repeats and sum(samples_ms) < MAX_S * 1e3):
            samples_ms.append(self._once_ms(call))
        return samples_ms

    def _once_ms(self, call: Callable[[], object]) -> float:
        self._synchronise()
        start_s = self._clock()
        call()
        self._synchronise()
        return (self._clock() - start_s) * 1e3

    def _synchronise(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
