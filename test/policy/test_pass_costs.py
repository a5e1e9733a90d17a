# SPDX-License-Identifier: Apache-2.0
"""Costs: never below what was measured lately, and never stuck on an outlier."""

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.policy.network_pass import Batch
from cosmos_policy_ros.policy.pass_costs import MARGIN, NUM_REMEMBERED, PassCosts

DURATIONS_S = st.lists(st.floats(0.001, 10), min_size=1, max_size=NUM_REMEMBERED)


def batch(size, evaluations=1):
    """Make a batch of so many samples."""
    return Batch(samples=tuple(range(size)), num_steps=evaluations, num_evaluations=evaluations)


@given(durations_s=DURATIONS_S, size=st.integers(1, 8), evaluations=st.integers(1, 10))
def test_what_was_measured_is_expected_at_its_longest_with_a_margin(
        durations_s, size, evaluations):
    costs = PassCosts()
    for duration_s in durations_s:
        costs.record_evaluations(batch(size, evaluations), duration_s)
    assert costs.expected_s([batch(size, evaluations)]) == pytest.approx(
        MARGIN * max(durations_s))


@given(fixed_s=st.floats(0, 1), each_s=st.floats(0.001, 1), measured=st.sets(
    st.integers(1, 16), min_size=1), size=st.integers(1, 16), evaluations=st.integers(1, 10))
def test_a_size_that_was_not_measured_takes_no_longer_than_expected(
        fixed_s, each_s, measured, size, evaluations):
    costs = PassCosts()
    for known in measured:
        costs.record_evaluations(batch(known, 2), 2 * (fixed_s + known * each_s))
    true_s = evaluations * (fixed_s + size * each_s)
    assert costs.expected_s([batch(size, evaluations)]) >= true_s


def test_a_machine_that_has_become_slow_is_believed_at_once():
    costs = PassCosts()
    costs.record_evaluations(batch(1), 0.1)
    costs.record_evaluations(batch(8), 8.0)
    assert costs.expected_s([batch(8)]) == pytest.approx(8 * MARGIN)


def test_an_outlier_is_forgotten():
    costs = PassCosts()
    costs.record_evaluations(batch(1), 60.0)
    for _ in range(NUM_REMEMBERED):
        costs.record_evaluations(batch(1), 1.0)
    assert costs.expected_s([batch(1)]) == pytest.approx(MARGIN)


def test_answers_with_and_without_images_are_measured_apart():
    costs = PassCosts()
    costs.record_evaluations(batch(1), 1.0)
    costs.record_answer(False, 0.1)
    assert costs.is_measured(False) and not costs.is_measured(True)
    assert costs.expected_answer_s(False) == pytest.approx(MARGIN * 0.1)


def test_the_fastest_direct_query_is_kept_for_each_number_of_steps():
    costs = PassCosts()
    for num_steps, duration_s in ((5, 2.0), (5, 1.0), (5, 3.0), (10, 4.0)):
        costs.record_direct(num_steps, duration_s)
    assert [costs.fastest_direct_s(steps) for steps in (5, 10, 1)] == [1.0, 4.0, 0.0]
