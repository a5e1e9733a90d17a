# SPDX-License-Identifier: Apache-2.0
"""What every policy must do; a test class of an implementation inherits it.

Such a class provides the fixture `policy` and, if the policy has preconditions, overrides
`observation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction


def same_prediction(first: Prediction, second: Prediction) -> bool:
    """Return whether two predictions ask for the same motion and expect the same."""
    return (np.array_equal(first.chunk.positions, second.chunk.positions)
            and np.array_equal(first.future_proprio, second.future_proprio)
            and first.value == second.value)


class PolicyContract:
    """Tests of the `Policy` protocol.

    Attributes:
        is_stochastic: Whether another seed must give another chunk.
        imagines_images: Whether the policy returns future images when asked.
    """

    is_stochastic = True
    imagines_images = True

    @pytest.fixture
    def observation(
        self, synthetic_observation: Callable[..., Observation], policy: Policy,
    ) -> Observation:
        """An observation that the policy accepts."""
        known = policy.known_tasks
        return synthetic_observation(task=known[0] if known else 'anything')

    def test_it_offers_the_whole_protocol(self, policy):
        assert isinstance(policy, Policy)
        assert policy.name and isinstance(policy.is_trained, bool)
        assert policy.chunk_size > 0 and all(policy.camera_names)

    def test_the_chunk_has_the_promised_shape_and_the_stamp_of_the_observation(
            self, policy, observation):
        prediction = policy.predict(observation, 0)
        assert prediction.chunk.positions.shape == (
            policy.chunk_size, len(observation.proprio))
        assert prediction.chunk.stamp_ns == observation.stamp_ns
        assert prediction.chunk.period_ns > 0
        assert prediction.future_proprio.shape == observation.proprio.shape
        assert prediction.seed == 0

    def test_the_same_seed_gives_the_same_prediction(self, policy, observation):
        first = policy.predict(observation, 5)
        policy.reset()
        assert same_prediction(first, policy.predict(observation, 5))

    def test_another_seed_gives_another_chunk_if_the_policy_is_stochastic(
            self, policy, observation):
        first = policy.predict(observation, 5)
        policy.reset()
        second = policy.predict(observation, 6)
        equal = np.array_equal(first.chunk.positions, second.chunk.positions)
        assert equal is not self.is_stochastic

    def test_images_are_imagined_only_when_asked_for(self, policy, observation):
        assert not policy.predict(observation, 0).future_images
        policy.reset()
        images = policy.predict(observation, 0, with_future_images=True).future_images
        assert set(images) == (set(policy.camera_names) if self.imagines_images else set())

    def test_asking_for_images_does_not_change_the_chunk(self, policy, observation):
        plain = policy.predict(observation, 0)
        policy.reset()
        assert same_prediction(plain, policy.predict(observation, 0, with_future_images=True))

    def test_what_it_returns_cannot_be_written_to(self, policy, observation):
        prediction = policy.predict(observation, 0, with_future_images=True)
        for array in (prediction.chunk.positions, prediction.future_proprio,
                      *prediction.future_images.values()):
            with pytest.raises(ValueError, match='read-only'):
                array[0] = 0

    def test_it_reports_how_long_its_stages_took(self, policy, observation):
        timings = policy.predict(observation, 0).timings
        assert len({timing.name for timing in timings}) == len(timings)
        assert all(timing.duration_s >= 0 for timing in timings)

    def test_an_unknown_task_is_refused(self, policy, observation):
        if policy.known_tasks is None:
            policy.predict(replace(observation, task='a task nobody has heard of'), 0)
        else:
            with pytest.raises(ConfigurationError, match='nobody has heard of'):
                policy.predict(replace(observation, task='a task nobody has heard of'), 0)

    def test_a_missing_camera_is_refused_by_name(self, policy, observation):
        for camera in policy.camera_names:
            images = {name: image for name, image in observation.images.items() if name != camera}
            with pytest.raises(ObservationError, match=camera):
                policy.predict(replace(observation, images=images), 0)

    def test_a_joint_vector_of_another_length_is_refused(self, policy, observation):
        with pytest.raises(ObservationError, match='proprio has 13'):
            policy.predict(replace(observation, proprio=observation.proprio[:-1]), 0)

    def test_it_begins_with_what_is_committed_if_it_says_so(self, policy, observation):
        if getattr(policy, 'can_continue', False):
            committed = np.tile(observation.proprio, (2, 1))
            chunk = policy.predict(observation, 0, committed_actions=committed).chunk
            np.testing.assert_allclose(chunk.positions[:2], committed, atol=1e-4)

    def test_it_plans_if_it_says_so_and_refuses_otherwise(self, policy, observation):
        settings = PlanningSettings(
            num_candidates=2, is_joint=True, num_denoising_steps_action=1)
        assert policy.predict(observation, 0, planning=None).plan is None
        policy.reset()
        if not policy.can_plan:
            with pytest.raises(ConfigurationError, match='cannot plan'):
                policy.predict(observation, 0, planning=settings)
        else:
            prediction = policy.predict(observation, 3, planning=settings)
            assert prediction.mode == 'planning'
            assert [one.seed for one in prediction.plan.candidates] == [3, 4]
