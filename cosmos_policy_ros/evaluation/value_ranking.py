# SPDX-License-Identifier: Apache-2.0
"""Whether a value knows beforehand which rollouts will succeed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
import math

from cosmos_policy_ros.evaluation.rollout import Rollout


def value_ranking(rollouts: Sequence[Rollout]) -> float | None:
    """Return how often a success is valued above a failure at the same query.

    That is the area under the receiver operating characteristic of the value, 0.5 for one that
    knows nothing. Only values of the same query are compared: later ones are higher anyway.

    Args:
        rollouts: Successes and failures.

    Returns:
        Share of the pairs, ties counting half; None if there is no pair.
    """
    successes, failures = ([rollout.values for rollout in rollouts
                            if rollout.is_success == is_success] for is_success in (True, False))
    higher = pairs = 0.0
    for good, bad in zip(_by_query(successes), _by_query(failures)):
        pairs += len(good) * len(bad)
        higher += sum((a > b) + 0.5 * (a == b) for a in good for b in bad)
    return higher / pairs if pairs else None


def _by_query(values: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the finite values of the first queries, of the second, and so on."""
    return [[value for value in column if value is not None and math.isfinite(value)]
            for column in zip_longest(*values)]
