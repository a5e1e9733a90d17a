# SPDX-License-Identifier: Apache-2.0
"""How long inference took lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import math
from threading import Lock

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, PredictionError

HICCUP_FACTOR = 2.0
FORGIVING_ANSWERS = 3


class LatencyWindow:
    """The most recent inference delays. Thread-safe; every figure forgets what left the window."""

    def __init__(self, size: int) -> None:
        """Create a window of `size` delays.

        Raises:
            ConfigurationError: If size is below 1.
        """
        if size < 1:
            raise ConfigurationError(f'latency window of {size} delays; allowed is 1 or more')
        self._delays_s: deque[float] = deque(maxlen=size)
        self._lock = Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._delays_s)

    def add(self, delay_s: float) -> None:
        """Add a delay in [s].

        Raises:
            PredictionError: If it is negative or not finite.
        """
        if not (math.isfinite(delay_s) and delay_s >= 0):
            raise PredictionError(f'inference delay is {delay_s} s; allowed is 0 or more')
        with self._lock:
            self._delays_s.append(delay_s)

    def percentile(self, q: float) -> float | None:
        """Delay in [s] that `q` in [0, 100] percent do not exceed; None while empty.

        Raises:
            ConfigurationError: If q is outside [0, 100].
        """
        return _percentile(self._snapshot(), q)

    def usual_percentile(self, q: float) -> float | None:
        """The same of all delays that are no hiccups.

        A hiccup is a delay of more than `HICCUP_FACTOR` times the longest of the last
        `FORGIVING_ANSWERS`. So one slow answer is forgotten after three good ones, while what is
        slow for good, or at least every third time, counts; and of delays that differ by less
        than that factor every one does.

        Raises:
            ConfigurationError: If q is outside [0, 100].
        """
        delays_s = self._snapshot()
        longest_s = HICCUP_FACTOR * max(delays_s[-FORGIVING_ANSWERS:], default=0.0)
        return _percentile([delay_s for delay_s in delays_s if delay_s <= longest_s], q)

    @property
    def max(self) -> float | None:
        """Longest delay in the window in [s]; None while empty."""
        with self._lock:
            return max(self._delays_s, default=None)

    def _snapshot(self) -> tuple[float, ...]:
        with self._lock:
            return tuple(self._delays_s)


def _percentile(delays_s: Sequence[float], q: float) -> float | None:
    if not 0 <= q <= 100:
        raise ConfigurationError(f'percentile is {q}; allowed is 0 to 100')
    return float(np.percentile(delays_s, q)) if delays_s else None
