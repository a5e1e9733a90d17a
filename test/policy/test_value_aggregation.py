# SPDX-License-Identifier: Apache-2.0
"""Aggregation of value ensembles against published numbers and as laws."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.value_aggregation import (
    aggregate_values, AGGREGATIONS, ensemble_steps)

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@pytest.mark.parametrize('values, expected', [
    ([.04, .04, .04, .9, .9], 0.0), ([.04, .04, .9, .9], 0.9), ([.06, .5], 0.28)])
def test_the_majority_mean_is_the_published_one(values, expected):
    assert aggregate_values(values, 'majority_mean') == pytest.approx(expected)


@pytest.mark.parametrize('scheme, expected', [
    ('average', 0.5), ('lcb', 0.5 - np.sqrt(0.08)), ('success_vote', 1.0),
    ('majority_mean', 0.5)])
def test_each_scheme_on_two_members(scheme, expected):
    assert aggregate_values([0.3, 0.7], scheme) == pytest.approx(expected)


@given(values=VALUES, scheme=st.sampled_from(sorted(AGGREGATIONS)))
def test_the_result_stays_in_the_unit_interval(values, scheme):
    assert 0 <= aggregate_values(values, scheme) <= 1


@given(values=VALUES, scheme=st.sampled_from(sorted(AGGREGATIONS)))
def test_the_order_of_the_members_does_not_matter(values, scheme):
    assert aggregate_values(values[::-1], scheme) == pytest.approx(
        aggregate_values(values, scheme))


@given(value=st.floats(0.1, 1), count=st.integers(1, 5))
def test_members_that_agree_are_believed(value, count):
    for scheme in ('average', 'lcb', 'majority_mean'):
        assert aggregate_values([value] * count, scheme) == pytest.approx(value)


def test_further_axes_are_aggregated_one_by_one():
    values = np.array([[0.2, 0.0], [0.4, 1.0]])
    np.testing.assert_allclose(aggregate_values(values, 'average'), [0.3, 0.5])


@pytest.mark.parametrize('values, scheme', [([0.5], 'median'), ([], 'average'), (0.5, 'average')])
def test_an_unknown_scheme_or_an_empty_ensemble_is_refused(values, scheme):
    with pytest.raises(ConfigurationError):
        aggregate_values(values, scheme)


@pytest.mark.parametrize('num_steps, members, expected', [
    (5, 3, [1, 3, 5]), (5, 5, [1, 2, 3, 4, 5]), (5, 4, [1, 2, 3, 5]),
    (10, 5, [1, 3, 5, 7, 10]), (1, 5, [1] * 5)])
def test_the_steps_of_the_members_are_the_published_ones(num_steps, members, expected):
    assert ensemble_steps(num_steps, members) == expected
