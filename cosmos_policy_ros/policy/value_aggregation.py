# SPDX-License-Identifier: Apache-2.0
"""How an ensemble of predicted values becomes one, and how its members are spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from cosmos_policy_ros.errors import ConfigurationError

SUCCESS_THRESHOLD = 0.05


def average(values: np.ndarray) -> np.ndarray:
    """Mean over the members."""
    return values.mean(axis=0)


def lower_confidence_bound(values: np.ndarray) -> np.ndarray:
    """Mean less one sample standard deviation; a single member has no spread."""
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else 0.0
    return values.mean(axis=0) - spread


def success_vote(values: np.ndarray) -> np.ndarray:
    """Share of the members that predict success."""
    return (values > SUCCESS_THRESHOLD).mean(axis=0)


def majority_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the members that predict success if they are at least half, else 0."""
    succeeds = values > SUCCESS_THRESHOLD
    total = np.where(succeeds, values, 0).sum(axis=0)
    mean = total / np.maximum(succeeds.sum(axis=0), 1)
    return np.where(succeeds.mean(axis=0) >= 0.5, mean, 0.0)


AGGREGATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'average': average, 'lcb': lower_confidence_bound, 'success_vote': success_vote,
    'majority_mean': majority_mean}


def aggregate_values(values: ArrayLike, scheme: str) -> np.ndarray:
    """Combine the values of an ensemble.

    Args:
        values: Values in [0, 1], members first. Shape (M, ...).
        scheme: One of `AGGREGATIONS`.

    Returns:
        Combined values in [0, 1]. Shape (...).

    Raises:
        ConfigurationError: If the scheme is unknown or there is no member.
    """
    values = np.asarray(values, dtype=np.float64)
    if scheme not in AGGREGATIONS:
        raise ConfigurationError(
            f'unknown value aggregation {scheme!r}; known: {", ".join(AGGREGATIONS)}')
    if not values.ndim or not len(values):
        raise ConfigurationError('no value to aggregate; at least one member is required')
    return np.clip(AGGREGATIONS[scheme](values), 0.0, 1.0)


def ensemble_steps(num_steps: int, num_members: int) -> list[int]:
    """Denoising steps of each member: from 1 to num_steps, evenly spaced, rounded down."""
    return [int(steps) for steps in np.linspace(1, num_steps, num_members)]
