# SPDX-License-Identifier: Apache-2.0
"""A measured figure beside what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit.
        limit: What is aimed at: at most this; None where nothing is promised.
        at_least: The limit is a lower one.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def spread(name: str, samples: Sequence[float], unit: str, *, p99_limit: float | None = None,
           max_limit: float | None = None) -> list[Figure]:
    """Median, 99th percentile and maximum of samples; aims are for the latter two."""
    p50, p99 = np.percentile(samples, [50, 99])
    return [Figure(name=f'{name}, median', value=float(p50), unit=unit),
            Figure(name=f'{name}, p99', value=float(p99), unit=unit, limit=p99_limit),
            Figure(name=f'{name}, max', value=float(max(samples)), unit=unit,
                   limit=max_limit)]
