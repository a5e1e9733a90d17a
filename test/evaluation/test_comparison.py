# SPDX-License-Identifier: Apache-2.0
"""Paired comparisons against closed forms and published numbers."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
from virtual_runs import rollout

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.comparison import compare_rollouts, PairedComparison

COUNTS = st.integers(0, 60)


def comparison(both, first, second, neither):
    return PairedComparison(num_both=both, num_first_only=first, num_second_only=second,
                            num_neither=neither)


def test_seeds_are_paired_whatever_their_order():
    first = [rollout(seed, seed < 6) for seed in range(10)]
    second = [rollout(seed, seed >= 4) for seed in reversed(range(10))]
    assert compare_rollouts(first, second) == comparison(2, 4, 4, 0)


@pytest.mark.parametrize('second', [
    [rollout(1, True)], [rollout(0, True), rollout(0, True)], []])
def test_other_seeds_are_refused(second):
    with pytest.raises(ConfigurationError, match='same seeds on both sides'):
        compare_rollouts([rollout(0, True), rollout(1, False)], second)


@pytest.mark.parametrize(('first', 'second', 'p_value'), [
    (0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (0, 5, 0.0625), (1, 9, 22 / 1024)])
def test_p_values_are_those_of_a_fair_coin(first, second, p_value):
    assert comparison(3, first, second, 2).p_value == pytest.approx(p_value)


def test_the_interval_is_that_of_the_paper():
    # Agresti and Min 2005, approval of a prime minister: (794, 150, 86, 570).
    low, high = comparison(794, 150, 86, 570).interval()
    assert (-high, -low) == pytest.approx((0.0209, 0.0589), abs=2e-3)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_exchanging_the_sides_mirrors_the_answer(both, first, second, neither):
    if both + first + second + neither == 0:
        return
    one, other = (comparison(both, *pair, neither)
                  for pair in ((first, second), (second, first)))
    assert one.p_value == other.p_value
    assert one.difference == -other.difference
    low, high = one.interval()
    assert other.interval() == pytest.approx((-high, -low))
    assert -1 <= low <= high <= 1


def test_a_confidence_of_one_is_refused():
    with pytest.raises(ConfigurationError, match='confidence is 1'):
        comparison(1, 1, 1, 1).interval(1.0)
