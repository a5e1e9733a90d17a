# SPDX-License-Identifier: Apache-2.0
"""Chunks moved at random: gently, by as much as asked for, the same for the same seed."""

import numpy as np
import pytest

from cosmos_policy_ros.policy.chunk_variation import chunk_variation

SHAPE = 50, 14


def test_a_variation_sets_off_from_the_chunk_and_ends_beside_it():
    moved = chunk_variation(3, SHAPE, 0.01)
    assert (moved[0] == 0).all() and (moved[10:] == moved[-1]).all() and (moved[-1] != 0).all()
    steps = np.abs(np.diff(moved, axis=0)) / np.abs(moved[-1])
    assert steps.max() < 15 / 8 / 10 * 1.05, 'no faster than a minimum-jerk rise'


def test_variations_are_as_large_as_asked_for_and_differ_by_seed():
    ends = np.array([chunk_variation(seed, SHAPE, 0.01)[-1] for seed in range(200)])
    assert np.std(ends) == pytest.approx(0.01, rel=0.05)
    assert abs(np.mean(ends)) < 0.001 and len(np.unique(ends, axis=0)) == 200


def test_the_same_seed_gives_the_same_and_seeds_may_have_parts():
    assert np.array_equal(chunk_variation(5, SHAPE, 0.1), chunk_variation(5, SHAPE, 0.1))
    first, second = chunk_variation((5, 0), SHAPE, 0.1), chunk_variation((5, 1), SHAPE, 0.1)
    assert not np.array_equal(first, second)
