# SPDX-License-Identifier: Apache-2.0
"""How long the stages of a query took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StageTiming:
    """How long one stage of a query took.

    Attributes:
        name: Stage, for example `encode`.
        duration_s: Wall time in [s].
    """

    name: str
    duration_s: float
