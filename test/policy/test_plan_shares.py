# SPDX-License-Identifier: Apache-2.0
"""Shares of a plan: none is lost or doubled, and their merger is the plan of one worker."""

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.plan_shares import merge_plans, split_plan
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.spec.plan import COMPLETE, NOT_MEASURED, NOT_NEEDED, WORKER_LOST

JOINT = PlanningSettings(num_candidates=5, is_joint=True, num_denoising_steps_action=1)

MOVED = PlanningSettings(
    num_candidates=5, candidate_spread=0.05, value_kind='q', num_denoising_steps_action=1)


@pytest.fixture(scope='module')
def policy(tiny_patch_checkpoint):
    """The policy that every worker would have."""
    return CosmosPolicy(tiny_patch_checkpoint)


@given(num_candidates=st.integers(1, 20), num_workers=st.integers(1, 9), seed=st.integers(0, 99))
def test_each_seed_is_in_one_share_and_shares_are_even(num_candidates, num_workers, seed):
    settings = PlanningSettings(num_candidates=num_candidates)
    shares = split_plan(settings, seed, num_workers)
    seeds = [first + index for first, share in shares for index in range(share.num_candidates)]
    assert seeds == list(range(seed, seed + num_candidates))
    sizes = [share.num_candidates for _, share in shares]
    assert len(sizes) <= num_workers and max(sizes) - min(sizes) <= 1


def test_a_direct_answer_needs_one_worker():
    settings = PlanningSettings(uncertainty=0.1, uncertainty_threshold=0.2)
    assert split_plan(settings, 3, 4) == [(3, settings)]


def test_agreement_cannot_be_seen_by_several_workers():
    settings = PlanningSettings(agree_threshold=0.1)
    assert split_plan(settings, 0, 1) == [(0, settings)]
    with pytest.raises(ConfigurationError, match='agree_threshold is 0.1 with 2 workers'):
        split_plan(settings, 0, 2)


@pytest.mark.parametrize('num_workers', [1, 2, 3, 5, 8])
@pytest.mark.parametrize('settings', [JOINT, MOVED], ids=['joint', 'moved'])
def test_merged_shares_are_the_plan_of_one_worker(
        policy, synthetic_observation, num_workers, settings):
    observation = synthetic_observation()
    whole = policy.predict(observation, 7, planning=settings)
    merged = merge_plans([policy.predict(observation, seed, planning=share)
                          for seed, share in split_plan(settings, 7, num_workers)], settings, None)
    assert merged.plan.reason == COMPLETE and merged.plan.num_requested == 5
    assert merged.plan.winner_index == whole.plan.winner_index
    assert [one.seed for one in merged.plan.candidates] == [7, 8, 9, 10, 11]
    for one, other in zip(merged.plan.candidates, whole.plan.candidates):
        assert one.value == pytest.approx(other.value, abs=1e-5)
    assert merged.chunk.positions == pytest.approx(whole.chunk.positions, abs=1e-4)
    assert merged.value == pytest.approx(whole.value, abs=1e-5)


def test_a_missing_share_is_told_and_the_best_of_the_rest_wins(policy, synthetic_observation):
    shares = [policy.predict(synthetic_observation(), seed, planning=share)
              for seed, share in split_plan(JOINT, 0, 2)]
    merged = merge_plans(shares[1:], JOINT, WORKER_LOST)
    assert merged.plan.reason == WORKER_LOST and merged.plan.was_cut_short
    assert (len(merged.plan.candidates), merged.plan.num_requested) == (2, 5)
    assert merged.plan.winner.value == max(one.value for one in merged.plan.candidates)


def test_a_share_that_was_cut_short_cuts_the_plan_short(
        policy, tiny_patch_checkpoint, synthetic_observation):
    settings = PlanningSettings(num_candidates=2, is_joint=True, uncertainty=0.0,
                                uncertainty_threshold=1.0)
    direct = policy.predict(synthetic_observation(), 0, planning=settings)
    assert merge_plans([direct], settings, None).plan.reason == NOT_NEEDED
    unmeasured = CosmosPolicy(tiny_patch_checkpoint).predict(
        synthetic_observation(), 1,
        planning=PlanningSettings(num_candidates=1, is_joint=True, deadline_s=100.0))
    measured = policy.predict(
        synthetic_observation(), 0,
        planning=PlanningSettings(num_candidates=1, is_joint=True))
    merged = merge_plans([measured, unmeasured], PlanningSettings(num_candidates=2), None)
    assert merged.plan.reason == NOT_MEASURED and merged.plan.winner_index == 0
