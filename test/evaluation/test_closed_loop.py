# SPDX-License-Identifier: Apache-2.0
"""Policies in closed loop: the expert succeeds, the same seed gives the same, failures end."""

from dataclasses import replace

import numpy as np
import pytest
from virtual_runs import expert_loop, TASK

from cosmos_policy_ros.evaluation.closed_loop import ClosedLoop
from cosmos_policy_ros.evaluation.rollout import RolloutSettings
from cosmos_policy_ros.evaluation.virtual_robot import START_NS
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.plan import Candidate, COMPLETE, Plan
from cosmos_policy_ros.spec.prediction import Prediction

PERIOD_NS = 40_000_000


@pytest.fixture(scope='module')
def loop():
    loop = expert_loop()
    yield loop
    loop.close()


@pytest.fixture(scope='module')
def lifted(loop):
    return loop.run(5000)


def without_times(rollout):
    return {name: value for name, value in rollout.to_json().items() if name != 'times'}


def test_the_expert_lifts_the_cube(lifted):
    assert lifted.is_success and lifted.score == 1 and not lifted.stop_reason
    assert 3 < lifted.duration_s < 8
    assert lifted.num_queries == len(lifted.values) >= 3


def test_the_same_seed_gives_the_same_in_any_order(loop, lifted):
    other = loop.run(5001)
    again = loop.run(5000)
    assert without_times(again) == without_times(lifted)
    assert without_times(other) != without_times(lifted)


def test_exploration_moves_every_chunk_and_is_the_same_for_the_same_seed(lifted):
    runs = []
    for _ in range(2):
        loop = expert_loop(exploration=0.02)
        runs.append(without_times(loop.run(5000)))
        loop.close()
    assert runs[0] == runs[1] != without_times(lifted)


def test_wall_time_is_told_by_what_it_was_spent_on(lifted):
    assert lifted.times.physics_s > 0 and lifted.times.inference_s > 0
    assert lifted.times.rendering_s == 0, 'an expert that is told looks at no image'


class Waving:
    """A policy that looks at the cameras and answers with one pose for ever."""

    name, is_trained, known_tasks, chunk_size, can_plan = 'waving', True, None, 50, False
    camera_names = ('cam_high', 'cam_left_wrist')

    def __init__(self, offset_rad=0.0):
        self.offset_rad, self.observations, self.seeds, self.plannings = offset_rad, [], [], []

    def predict(self, observation, seed, *, num_denoising_steps=None, with_future_images=False,
                planning=None):
        self.observations.append(observation)
        self.seeds.append(seed)
        self.plannings.append(planning)
        pose = ALOHA.start_pose + self.offset_rad * (ALOHA.start_pose != 0)
        return Prediction(
            chunk=ActionChunk(positions=np.tile(pose, (50, 1)), stamp_ns=observation.stamp_ns,
                              period_ns=PERIOD_NS),
            future_proprio=pose, value=0.5, seed=seed, num_denoising_steps=0)

    def reset(self):
        self.observations.clear()


def run_waving(policy, **settings):
    loop = ClosedLoop(ALOHA, RolloutSettings(task=TASK, timeout_s=2.0, **settings),
                      lambda simulation: policy)
    try:
        return loop.run(0)
    finally:
        loop.close()


def test_a_policy_that_does_nothing_fails_when_the_time_is_over():
    policy = Waving()
    result = run_waving(policy, policy_seed=7)
    assert (result.is_success, result.score, result.stage) == (False, 0.0, 'approaching')
    assert result.duration_s == 2.0 and set(policy.seeds) == {7}
    first = policy.observations[0]
    assert first.task == 'lift the cube' and set(first.images) == set(Waving.camera_names)
    assert all(image.shape == (480, 640, 3) for image in first.images.values())
    np.testing.assert_allclose(first.proprio[:6], ALOHA.arms[0].start_rad, atol=0.03)


def test_fresh_noise_differs_by_query_and_episode_and_is_the_same_again():
    settings = RolloutSettings(
        task=TASK, timeout_s=2.0, policy_seed=7, fresh_noise=True,
        planning=PlanningSettings(imagination_seed=7))
    policy = Waving()
    loop = ClosedLoop(ALOHA, settings, lambda simulation: policy)
    for seed in (0, 1, 0):
        loop.run(seed)
    loop.close()
    assert {planning.imagination_seed for planning in policy.plannings} == set(policy.seeds)
    first, other, again = np.split(np.array(policy.seeds), 3)
    np.testing.assert_array_equal(first, again)
    assert len({*first, *other}) == len(first) + len(other)


@pytest.mark.parametrize('latency_s', [0.0, 0.3])
def test_queries_follow_the_horizon_and_never_overlap(latency_s):
    policy = Waving()
    settings = RolloutSettings(latency_s=latency_s)
    run_waving(policy, latency_s=latency_s,
               query=replace(settings.query, execution_horizon=10))
    stamps_ms = [(seen.stamp_ns - START_NS) // 10**6 for seen in policy.observations]
    gaps_ms = np.diff(stamps_ms)
    assert stamps_ms[0] == 0
    assert (gaps_ms >= max(400, latency_s * 1000)).all() and (gaps_ms <= 440).all()


def test_a_rollout_tells_how_far_candidates_were_apart():
    class Planning(Waving):
        def predict(self, observation, seed, **options):
            prediction = super().predict(observation, seed, **options)
            values = (0.5, 0.5 + 0.1 * len(self.seeds))
            return replace(prediction, plan=Plan(
                candidates=tuple(Candidate(
                    seed=seed + index, value=value,
                    chunk=prediction.chunk.positions + 0.02 * index,
                    future_proprio=np.full(14, 0.01 * index),
                    member_values=np.full((1, 1, 1), value))
                    for index, value in enumerate(values)),
                winner_index=1, num_requested=2, value_kind='q', aggregation='average',
                search_depth=1, reason=COMPLETE))
    assert run_waving(Waving()).value_spreads == ()
    planned = run_waving(Planning())
    assert planned.value_spreads == pytest.approx((0.1, 0.2))
    assert planned.chunk_spreads == pytest.approx((0.01, 0.01))
    assert planned.imagined_shares == pytest.approx((0.5, 0.5))


def test_arms_that_refuse_a_leap_end_the_episode():
    result = run_waving(Waving(offset_rad=1.3))
    assert result.stop_reason.startswith('start_gap') and not result.is_success
    assert result.duration_s < 1.0
