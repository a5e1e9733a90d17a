# SPDX-License-Identifier: Apache-2.0
"""Which passes a search takes: the published counts, seeds and steps."""

from dataclasses import replace

import pytest

from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.policy.look_ahead import candidate_pass, look_ahead_passes
from cosmos_policy_ros.policy.network_pass import network_evaluations
from cosmos_policy_ros.policy.planning_settings import PlanningSettings, PUBLISHED_PLANNING


def evaluations(settings, num_steps_action, num_candidates=1):
    """Count the network evaluations behind so many candidates."""
    seeds = range(num_candidates)
    passes = [candidate_pass(seeds, num_steps_action)]
    for depth in look_ahead_passes(settings, seeds, num_steps_action):
        passes += depth.passes
    return sum(network_evaluations(steps) for one in passes for steps in one.num_steps)


def test_the_published_setting_costs_61_evaluations_per_candidate():
    assert evaluations(PUBLISHED_PLANNING, 10) == 61
    assert evaluations(PUBLISHED_PLANNING, 10, num_candidates=8) == 488


def test_each_depth_without_ensembles_costs_the_same():
    settings = PlanningSettings(search_depth=3, depth_aggregation='average')
    assert evaluations(settings, 10) == 3 * (10 + 5 + 5)


def test_values_that_do_not_count_are_not_sampled():
    assert evaluations(PlanningSettings(search_depth=3), 10) == 3 * (10 + 5) + 5


def test_a_joint_sample_needs_nothing_more():
    assert evaluations(PlanningSettings(is_joint=True), 10) == 10
    assert evaluations(PlanningSettings(value_kind='q'), 10) == 10 + 5


def test_members_have_the_published_seeds_and_start_from_their_own_branch():
    settings = replace(PUBLISHED_PLANNING, num_futures=2, num_values=3)
    depth, = look_ahead_passes(settings, [195, 196], 10)
    assert depth.act is None and depth.counts
    assert depth.imagine.role is NetworkRole.WORLD_MODEL
    assert depth.imagine.parents == (0, 0, 1, 1)
    assert depth.imagine.seeds == (195, 196, 196, 197)
    assert depth.imagine.num_steps == (1, 5, 1, 5)
    assert depth.judge.role is NetworkRole.STATE_VALUE
    assert depth.judge.parents == (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3)
    assert depth.judge.seeds == (195, 196, 197) * 2 + (196, 197, 198) * 2
    assert depth.judge.num_steps == (1, 3, 5) * 4


def test_a_deeper_branch_continues_itself_with_the_seed_of_its_candidate():
    settings = PlanningSettings(num_futures=2, search_depth=2)
    first, second = look_ahead_passes(settings, [7, 9], 4)
    assert first.judge is None and not first.counts
    assert second.act.role is NetworkRole.POLICY
    assert (second.act.parents, second.act.seeds) == ((0, 1, 2, 3), (7, 7, 9, 9))
    assert second.imagine.parents == (0, 1, 2, 3)
    assert second.imagine.seeds == first.imagine.seeds == (7, 8, 9, 10)


@pytest.mark.parametrize('kind, role', [
    ('v_next', NetworkRole.STATE_VALUE), ('v_full', NetworkRole.TRANSITION_VALUE),
    ('q', NetworkRole.ACTION_VALUE)])
def test_each_kind_of_value_is_a_role(kind, role):
    depth, = look_ahead_passes(PlanningSettings(value_kind=kind), [0], 1)
    assert depth.judge.role is role and (depth.imagine is None) is (kind == 'q')
