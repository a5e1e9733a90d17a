# SPDX-License-Identifier: Apache-2.0
"""Splitting a plan among workers, and putting their answers together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.spec.plan import best_candidate, COMPLETE
from cosmos_policy_ros.spec.prediction import Prediction


def split_plan(
    settings: PlanningSettings, seed: int, num_workers: int,
) -> list[tuple[int, PlanningSettings]]:
    """Return the seed and the settings of each worker's share, in the order of the candidates.

    Raises:
        ConfigurationError: If all candidates are to be compared before they are valued.
    """
    if settings.agree_threshold and num_workers > 1:
        raise ConfigurationError(
            f'agree_threshold is {settings.agree_threshold:g} with {num_workers} workers; no '
            'worker sees all candidates, it must be 0')
    if not settings.is_needed:
        return [(seed, settings)]
    num_shares = min(num_workers, settings.num_candidates)
    least, rest = divmod(settings.num_candidates, num_shares)
    sizes = [least + (index < rest) for index in range(num_shares)]
    return [(seed + sum(sizes[:index]), replace(
                settings, num_candidates=size,
                first_is_moved=settings.first_is_moved or index > 0))
            for index, size in enumerate(sizes)]


def merge_plans(
    predictions: Sequence[Prediction], settings: PlanningSettings, missing: str | None,
) -> Prediction:
    """Return the best of the shares' predictions, with the plan of all of them.

    Args:
        predictions: Planned predictions in the order of their seeds, at least one.
        settings: Settings of the whole plan.
        missing: Why shares are missing, one of the reasons of a plan; None if none is.
    """
    candidates = tuple(candidate for prediction in predictions
                       for candidate in prediction.plan.candidates)
    winner = best_candidate(candidates)
    chosen = next(prediction for prediction in predictions
                  if prediction.plan.winner is candidates[winner])
    reasons = [missing or COMPLETE, *(prediction.plan.reason for prediction in predictions)]
    plan = replace(
        chosen.plan, candidates=candidates, winner_index=winner,
        num_requested=settings.num_candidates, deadline_s=settings.deadline_s,
        reason=next((reason for reason in reasons if reason != COMPLETE), COMPLETE))
    return replace(chosen, seed=predictions[0].plan.candidates[0].seed, plan=plan)
