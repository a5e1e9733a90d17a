# SPDX-License-Identifier: Apache-2.0
"""Plans: checked on entry, and consistent in what they tell."""

from dataclasses import replace

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.spec.plan import best_candidate, Candidate, COMPLETE, Plan, REASONS

VALUES = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=8)


def candidate(seed, value=None, num_values=2):
    """Make a candidate, valued or not."""
    members = {} if value is None else {'member_values': np.full((1, 1, num_values), value)}
    return Candidate(seed=seed, chunk=np.zeros((5, 14)), value=value, **members)


def plan(values=(0.2, 0.8), **changes):
    """Make a plan whose candidates have these values."""
    candidates = tuple(candidate(seed, value) for seed, value in enumerate(values))
    return Plan(**{'candidates': candidates, 'winner_index': best_candidate(candidates),
                   'num_requested': len(candidates), 'value_kind': 'v_next',
                   'aggregation': 'average', 'search_depth': 1, 'reason': COMPLETE, **changes})


@given(values=VALUES)
def test_the_winner_has_the_highest_value_and_is_the_earliest_of_its_equals(values):
    winner = best_candidate(tuple(candidate(seed, value) for seed, value in enumerate(values)))
    known = [value for value in values if value is not None]
    if known:
        assert values[winner] == max(known) and values.index(max(known)) == winner
    else:
        assert winner == 0


@given(values=VALUES, added=st.floats(0, 1))
def test_another_candidate_never_lowers_the_value_of_the_winner(values, added):
    before, after = plan(values).winner.value, plan([*values, added]).winner.value
    assert after >= (before or 0.0)


def test_a_plan_counts_what_was_valued():
    told = plan([0.25, None, 0.75], num_requested=4)
    assert (told.num_counted, told.num_values_counted) == (2, 4)
    assert told.winner.seed == 2 and told.value_spread == 0.5 and told.chunk_spread == 0
    assert plan([0.5]).value_spread is None and plan([0.5]).chunk_spread is None


@given(share=st.floats(-1, 2), offset=st.floats(-1, 1), seed=st.integers(0, 99))
def test_joints_that_move_with_the_ends_of_the_chunks_tell_how_far(share, offset, seed):
    chunks = np.random.default_rng(seed).normal(size=(4, 5, 14))
    imagined = plan([0.5] * 4)
    imagined = replace(imagined, candidates=tuple(
        replace(one, chunk=chunk, future_proprio=offset + share * chunk[-1])
        for one, chunk in zip(imagined.candidates, chunks)))
    assert imagined.imagined_share == pytest.approx(share, abs=1e-9)


def test_without_imagined_joints_or_differences_nothing_is_known_of_the_world_model():
    assert plan([0.5, 0.5]).imagined_share is None
    alike = plan([0.5, 0.5])
    standing = tuple(replace(one, future_proprio=np.zeros(14)) for one in alike.candidates)
    assert replace(alike, candidates=standing).imagined_share is None


@pytest.mark.parametrize('reason', REASONS)
def test_only_missing_candidates_cut_a_plan_short(reason):
    expected = reason in ('deadline', 'not measured', 'worker lost')
    assert plan(reason=reason).was_cut_short is expected


@pytest.mark.parametrize('change, text', [
    ({'chunk': np.full((5, 14), np.nan)}, 'chunk of candidate 7 is not finite'),
    ({'chunk': np.zeros(14)}, 'chunk of candidate 7 has shape'),
    ({'future_proprio': np.full(14, np.nan)}, 'future_proprio of candidate 7 is not finite'),
    ({'member_values': np.full((1, 1, 2), np.nan)}, 'not finite'),
    ({'member_values': np.full((1, 1, 2), 1.5)}, 'allowed is 0 to 1'),
    ({'member_values': np.empty((0, 0, 0))}, 'neither goes without the other'),
    ({'value': None}, 'neither goes without the other'), ({'value': -0.1}, 'allowed is 0 to 1')])
def test_a_candidate_that_cannot_be_is_refused(change, text):
    fields = {'seed': 7, 'chunk': np.zeros((5, 14)), 'value': 0.5,
              'member_values': np.full((1, 1, 2), 0.5)}
    with pytest.raises(PredictionError, match=text):
        Candidate(**{**fields, **change})


@pytest.mark.parametrize('change, text', [
    ({'candidates': ()}, 'plan of 0 candidates'), ({'winner_index': 2}, 'chose number 2'),
    ({'winner_index': -1}, 'chose number -1'), ({'num_requested': 1}, '1 requested'),
    ({'candidates': (candidate(3), candidate(3))}, 'must ascend'),
    ({'reason': 'tired'}, "reason 'tired'; known")])
def test_a_plan_that_cannot_be_is_refused(change, text):
    with pytest.raises(PredictionError, match=text):
        plan(**change)


def test_what_a_candidate_holds_cannot_be_written_to():
    for array in (candidate(0, 0.5).chunk, candidate(0, 0.5).member_values):
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 1
