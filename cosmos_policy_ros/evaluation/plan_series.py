# SPDX-License-Identifier: Apache-2.0
"""What planning did over time, and how wrong predictions were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cosmos_policy_ros.recording.decode import stamp_ns

_NS_PER_S = 1e9


@dataclass(frozen=True, kw_only=True)
class PlanSample:
    """One query in planning mode.

    Attributes:
        stamp_s: Time of the observation in [s] since the start of the episode.
        values: Aggregate of each candidate, 0 to 1; None where it was not valued.
        winner_index: Which candidate was chosen.
        num_requested: Candidates asked for.
        was_cut_short: Whether candidates are missing, or not valued, that should have been.
        reason: Why planning ended.
    """

    stamp_s: float
    values: tuple[float | None, ...]
    winner_index: int
    num_requested: int
    was_cut_short: bool
    reason: str

    @property
    def num_counted(self) -> int:
        """Candidates that were valued."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True, kw_only=True)
class PredictionErrorSample:
    """How far one prediction was from what arrived.

    Attributes:
        due_s: The time that the future was for in [s] since the start of the episode.
        image_error: Mean over the cameras of the imagined images' error, 0 to 1; None if no image
            was imagined.
        image_change: The same for images that had not changed.
        proprio_rms: Error of the arm joints in [rad].
    """

    due_s: float
    image_error: float | None
    image_change: float | None
    proprio_rms: float


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What planning did.

    Attributes:
        plans: Number of queries in planning mode.
        reasons: Why planning ended to how often.
        cut_short: Plans with candidates missing or not valued.
        mean_counted: Candidates that were valued, on average.
        value_spread_p50: Median of best minus worst candidate; None if no plan compared two.
    """

    plans: int
    reasons: dict[str, int]
    cut_short: int
    mean_counted: float
    value_spread_p50: float | None


def plan_sample(start_ns: int, time_s: float, message: Any) -> PlanSample:
    """Convert a Plan message."""
    return PlanSample(
        stamp_s=(stamp_ns(message) - start_ns) / _NS_PER_S,
        values=tuple(candidate.value if candidate.is_valued else None
                     for candidate in message.candidates),
        winner_index=message.winner_index, num_requested=message.num_requested,
        was_cut_short=message.was_cut_short, reason=message.reason)


def prediction_error_sample(
    start_ns: int, time_s: float, message: Any,
) -> PredictionErrorSample:
    """Convert a PredictionError message."""
    has_images = len(message.image_error) > 0
    return PredictionErrorSample(
        due_s=(stamp_ns(message) - start_ns) / _NS_PER_S,
        image_error=float(np.mean(message.image_error)) if has_images else None,
        image_change=float(np.mean(message.image_change)) if has_images else None,
        proprio_rms=message.proprio_rms)


def report_plans(plans: tuple[PlanSample, ...]) -> PlanReport | None:
    """Return the plans of an episode in figures; None without plans."""
    if not plans:
        return None
    reasons = [plan.reason for plan in plans]
    known = [[value for value in plan.values if value is not None] for plan in plans]
    spreads = [max(values) - min(values) for values in known if len(values) > 1]
    return PlanReport(
        plans=len(plans),
        reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        cut_short=sum(plan.was_cut_short for plan in plans),
        mean_counted=float(np.mean([plan.num_counted for plan in plans])),
        value_spread_p50=float(np.median(spreads)) if spreads else None)
