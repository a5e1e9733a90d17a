# SPDX-License-Identifier: Apache-2.0
"""Planning on two workers of a local Ray cluster: the plan of one, and what a loss costs."""

from dataclasses import replace

import numpy as np
import pytest

from cosmos_policy_ros.errors import CheckpointError, ConfigurationError, PredictionError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.ray_planner import RayPlannerPolicy
from cosmos_policy_ros.policy.ray_workers import WorkerSettings
from cosmos_policy_ros.spec.plan import COMPLETE, WORKER_LOST

ray = pytest.importorskip('ray')
pytestmark = pytest.mark.slow

SETTINGS = PlanningSettings(
    num_candidates=3, num_denoising_steps_action=3, num_denoising_steps_future=1,
    num_denoising_steps_value=1)


@pytest.fixture(scope='module')
def cluster():
    """A cluster for all tests of this file."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def build(cluster):
    """Make policies that end with the test."""
    made = []

    def make(num_workers=2, checkpoint='aloha_small'):
        made.append(RayPlannerPolicy(
            num_workers, WorkerSettings(checkpoint=checkpoint, device='cpu')))
        return made[-1]
    yield make
    for policy in made:
        policy.close()


@pytest.fixture
def observation(synthetic_observation):
    """What the robot sees."""
    return synthetic_observation()


def lose(policy, index):
    """Kill the process of a worker."""
    ray.kill(policy._workers._workers[index])


def test_two_workers_make_the_plan_of_one(build, observation):
    policy, alone = build(), CosmosPolicy.load('aloha_small')
    assert isinstance(policy, Policy) and policy.can_plan
    assert (policy.name, policy.known_tasks) == (alone.name, alone.known_tasks)
    one, two = (each.predict(observation, 5, planning=SETTINGS, with_future_images=True)
                for each in (alone, policy))
    assert two.plan.reason == COMPLETE and two.plan.num_counted == 3
    assert [each.seed for each in two.plan.candidates] == [5, 6, 7]
    for first, second in zip(one.plan.candidates, two.plan.candidates, strict=True):
        np.testing.assert_allclose(first.chunk, second.chunk, atol=1e-4)
        np.testing.assert_allclose(first.member_values, second.member_values, atol=1e-4)
    assert one.plan.winner_index == two.plan.winner_index
    np.testing.assert_allclose(one.chunk.positions, two.chunk.positions, atol=1e-4)
    assert set(two.future_images) == set(policy.camera_names)
    assert [stage.name for stage in two.timings][-1] == 'transfer'
    for camera, image in policy.seen_images(observation).items():
        assert np.array_equal(image, alone.seen_images(observation)[camera])
    direct = policy.predict(observation, 5)
    assert direct.plan is None and direct.mode == 'direct'
    with pytest.raises(ConfigurationError, match='nobody has heard of'):
        policy.predict(replace(observation, task='nobody has heard of this'), 0)


def test_a_lost_worker_costs_its_candidates_and_nothing_else(build, observation):
    policy = build()
    lose(policy, 0)
    prediction = policy.predict(observation, 5, planning=SETTINGS)
    assert prediction.plan.reason == WORKER_LOST
    assert [each.seed for each in prediction.plan.candidates] == [7]
    assert (prediction.plan.num_requested, prediction.plan.num_counted) == (3, 1)
    whole = policy.predict(observation, 5, planning=SETTINGS)
    assert whole.plan.reason == COMPLETE and whole.plan.num_counted == 3
    lose(policy, 0)
    with pytest.raises(PredictionError, match='none of 1 workers answered'):
        policy.predict(observation, 5, planning=SETTINGS)
    with pytest.raises(PredictionError, match='no worker is idle'):
        policy.predict(observation, 5)


def test_what_cannot_be_loaded_is_refused_as_on_one_worker(build):
    with pytest.raises(CheckpointError, match='aloha_3b'):
        build(num_workers=1, checkpoint='aloha_3b')
    with pytest.raises(ConfigurationError, match='0 workers'):
        build(num_workers=0)
