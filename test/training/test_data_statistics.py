# SPDX-License-Identifier: Apache-2.0
"""Bounds over training data."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_data import episode

from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.training.data_statistics import (
    check_statistics, compute_statistics, CONSTANT_RANGE, constant_dimensions)


def standing(name='standing'):
    """An episode in which the first joint stands still."""
    one = episode(name)
    actions = one.actions.copy()
    actions[:, 0] = 0.7
    return replace(one, actions=actions)


def test_bounds_are_the_extremes_of_all_episodes():
    episodes = [episode('one'), episode('two', seed=1)]
    bounds = compute_statistics(episodes).actions
    every = np.concatenate([item.actions for item in episodes])
    np.testing.assert_allclose(bounds.lower, every.min(axis=0))
    np.testing.assert_allclose(bounds.upper, every.max(axis=0))


def test_a_joint_that_never_moves_gets_a_small_range_and_is_told():
    assert constant_dimensions([standing()]) == {'actions': [0], 'proprio': []}
    bounds = compute_statistics([standing()]).actions
    assert bounds.upper[0] - bounds.lower[0] == pytest.approx(CONSTANT_RANGE)
    assert bounds.normalise(standing().actions)[:, 0] == pytest.approx(0.0, abs=1e-5)


def test_statistics_of_other_data_are_refused():
    mine = compute_statistics([episode()])
    check_statistics(mine, [episode(steps=10)])
    far = replace(episode(), actions=episode().actions * 3)
    with pytest.raises(CheckpointError, match='of other data: actions dimension'):
        check_statistics(mine, [far])
    short = replace(episode(), proprio=episode().proprio[:, :7])
    with pytest.raises(CheckpointError, match='7 proprio'):
        check_statistics(mine, [short])
