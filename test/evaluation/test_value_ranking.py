# SPDX-License-Identifier: Apache-2.0
"""A value that knows ranks every success first, one that knows nothing half of them."""

from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import pytest
from virtual_runs import rollout

from cosmos_policy_ros.evaluation.value_ranking import value_ranking

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=4).map(tuple)
ROLLOUTS = st.tuples(st.booleans(), VALUES).map(
    lambda drawn: rollout(1, drawn[0], values=drawn[1]))


def test_a_value_that_knows_ranks_every_success_first():
    rollouts = [rollout(1, True, values=(0.2, 0.9)), rollout(2, False, values=(0.1, 0.3)),
                rollout(3, True, values=(0.3, 0.8))]
    assert value_ranking(rollouts) == 1.0


def test_only_values_of_the_same_query_are_compared():
    early, late = rollout(1, True, values=(0.0,)), rollout(2, False, values=(-0.1, 0.9))
    assert value_ranking([early, late]) == 1.0


@given(st.lists(ROLLOUTS, max_size=6))
def test_what_fails_instead_is_ranked_the_other_way_round(rollouts):
    ranking = value_ranking(rollouts)
    turned = value_ranking([replace(one, is_success=not one.is_success) for one in rollouts])
    if ranking is None:
        assert turned is None
    else:
        assert 0 <= ranking <= 1 and ranking + turned == pytest.approx(1)


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_value_that_is_always_the_same_ranks_half(successes, failures):
    rollouts = [rollout(seed, seed < successes, values=(0.4, 0.4))
                for seed in range(successes + failures)]
    assert value_ranking(rollouts) == 0.5


@pytest.mark.parametrize('rollouts', [
    [], [rollout(1, True, values=(0.5,))], [rollout(1, True), rollout(2, False, values=(1.0,))],
    [rollout(1, True, values=(math.nan,)), rollout(2, False, values=(0.1,))]])
def test_without_a_pair_there_is_no_ranking(rollouts):
    assert value_ranking(rollouts) is None
