# SPDX-License-Identifier: Apache-2.0
"""Planning settings: the published schedules, and refusal of contradictions."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.planning_settings import PlanningSettings, PUBLISHED_PLANNING


def test_the_published_setting_has_the_published_schedules():
    assert PUBLISHED_PLANNING.future_steps == (1, 3, 5)
    assert PUBLISHED_PLANNING.value_steps == (1, 2, 3, 4, 5)


def test_a_single_member_is_denoised_in_full():
    assert PlanningSettings().future_steps == PlanningSettings().value_steps == (5,)


def test_what_comes_with_a_sample_has_no_steps_of_its_own():
    joint, q = PlanningSettings(is_joint=True), PlanningSettings(value_kind='q')
    assert (joint.future_steps, joint.value_steps) == ((), ())
    assert (q.future_steps, q.value_steps) == ((), (5,))


@pytest.mark.parametrize('changes, texts', [
    ({'num_candidates': 0}, ['num_candidates is 0']),
    ({'num_candidates': 2.0}, ['num_candidates is 2.0']),
    ({'num_values': True}, ['num_values is True']),
    ({'num_denoising_steps_action': 0}, ['num_denoising_steps_action is 0']),
    ({'num_denoising_steps_future': None}, ['num_denoising_steps_future is None']),
    ({'max_batch': -1}, ['max_batch is -1']),
    ({'deadline_s': -1.0}, ['deadline_s is -1.0']),
    ({'deadline_s': float('nan')}, ['deadline_s is nan']),
    ({'uncertainty': float('inf')}, ['uncertainty is inf']),
    ({'value_kind': 'joint'}, ["'joint'", 'v_next, v_full, q']),
    ({'aggregation': 'median'}, ["'median'", 'majority_mean']),
    ({'depth_aggregation': 'max'}, ["'max'", 'last, average']),
    ({'candidate_spread': -0.1}, ['candidate_spread is -0.1']),
    ({'imagination_seed': -1}, ['imagination_seed is -1']),
    ({'imagination_seed': 1.5}, ['imagination_seed is 1.5']),
    ({'is_joint': True, 'candidate_spread': 0.1}, ['is_joint', 'candidate_spread 0.1']),
    ({'is_joint': True, 'num_futures': 3}, ['is_joint', 'num_futures 3']),
    ({'is_joint': True, 'num_values': 5}, ['is_joint', 'num_values 5']),
    ({'value_kind': 'q', 'num_futures': 3}, ["'q'", 'num_futures 3']),
    ({'value_kind': 'q', 'search_depth': 2}, ["'q'", 'search_depth 2'])])
def test_settings_that_cannot_be_meant_are_refused_by_name_and_value(changes, texts):
    with pytest.raises(ConfigurationError) as caught:
        PlanningSettings(**changes)
    assert all(text in str(caught.value) for text in texts)


@given(uncertainty=st.floats(0, 10), threshold=st.floats(0, 10))
def test_a_plan_is_needed_from_the_threshold_on(uncertainty, threshold):
    settings = PlanningSettings(uncertainty=uncertainty, uncertainty_threshold=threshold)
    assert settings.is_needed is (uncertainty >= threshold)
    assert replace(settings, uncertainty=None).is_needed
