# SPDX-License-Identifier: Apache-2.0
"""Bounds of actions and joints over training data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.statistics import Bounds, DatasetStatistics
from cosmos_policy_ros.training.prepared_episode import PreparedEpisode

# A joint that never moved gets this range around where it stood, so that its noise stays small
# once normalised: a tenth of a radian, or of a gripper's opening.
CONSTANT_RANGE = 0.1
_CONSTANT_BELOW = 1e-3
# How far, in normalised units, data may reach beyond the statistics that a model was trained on.
_FARTHEST = 1.5


def compute_statistics(episodes: Sequence[PreparedEpisode]) -> DatasetStatistics:
    """Return the smallest and largest value of each dimension; constant ones get a small range."""
    return DatasetStatistics(
        actions=_bounds('actions', [episode.actions for episode in episodes]),
        proprio=_bounds('proprio', [episode.proprio for episode in episodes]))


def constant_dimensions(episodes: Sequence[PreparedEpisode]) -> dict[str, list[int]]:
    """Return the dimensions that never change, of `actions` and `proprio`."""
    extremes = {name: _extremes([getattr(episode, name) for episode in episodes])
                for name in ('actions', 'proprio')}
    return {name: np.flatnonzero(upper - lower < _CONSTANT_BELOW).tolist()
            for name, (lower, upper) in extremes.items()}


def check_statistics(
    statistics: DatasetStatistics, episodes: Sequence[PreparedEpisode],
) -> None:
    """Refuse data that statistics of other data do not fit.

    Raises:
        CheckpointError: If a value lies far outside the bounds.
    """
    for name, bounds in (('actions', statistics.actions), ('proprio', statistics.proprio)):
        extremes = _extremes([getattr(episode, name) for episode in episodes])
        if extremes.shape[1] != len(bounds.lower):
            raise CheckpointError(f'the data have {extremes.shape[1]} {name}, the statistics '
                                  f'{len(bounds.lower)}')
        farthest = np.abs(bounds.normalise(extremes)).max(axis=0)
        worst = int(farthest.argmax())
        if farthest[worst] > _FARTHEST:
            raise CheckpointError(
                f'these statistics are of other data: {name} dimension {worst} reaches from '
                f'{extremes[0, worst]:.3g} to {extremes[1, worst]:.3g}, the statistics say '
                f'{bounds.lower[worst]:.3g} to {bounds.upper[worst]:.3g}; new_statistics takes '
                'those of the data')


def _bounds(name: str, arrays: Sequence[np.ndarray]) -> Bounds:
    lower, upper = _extremes(arrays).astype(np.float64)
    widen = np.where(upper - lower < _CONSTANT_BELOW, CONSTANT_RANGE / 2, 0.0)
    return Bounds(name=name, lower=lower - widen, upper=upper + widen)


def _extremes(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Smallest and largest values. Shape (2, A)."""
    return np.stack((np.min([array.min(axis=0) for array in arrays], axis=0),
                     np.max([array.max(axis=0) for array in arrays], axis=0)))
