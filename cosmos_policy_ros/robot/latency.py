# SPDX-License-Identifier: Apache-2.0
"""How long inference took lately."""

from __future__ import annotations

from collections import deque
import math
from threading import Lock

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, PredictionError


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
        if not 0 <= q <= 100:
            raise ConfigurationError(f'percentile is {q}; allowed is 0 to 100')
        with self._lock:
            delays_s = tuple(self._delays_s)
        return float(np.percentile(delays_s, q)) if delays_s else None

    @property
    def max(self) -> float | None:
        """Longest delay in the window in [s]; None while empty."""
        with self._lock:
            return max(self._delays_s, default=None)
