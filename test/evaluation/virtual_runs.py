# SPDX-License-Identifier: Apache-2.0
"""Closed loops of the scripted expert on the quickest task, for tests."""

from __future__ import annotations

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.evaluation.closed_loop import ClosedLoop
from cosmos_policy_ros.evaluation.episode_topics import episode_topics
from cosmos_policy_ros.evaluation.policy_source import PolicySource
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout, RolloutSettings
from cosmos_policy_ros.spec.aloha import ALOHA

TOPICS = episode_topics(ALOHA, load_preset('interbotix').names)
TASK = 'lift_cube'


def expert_loop(**settings: object) -> ClosedLoop:
    """The expert lifts a cube."""
    settings = RolloutSettings(**{'task': TASK, 'timeout_s': 8.0, **settings})
    source = PolicySource(kind='scripted')
    return ClosedLoop(
        ALOHA, settings, lambda simulation: source.load(ALOHA, settings.task, simulation))


def rollout(seed: int, is_success: bool, **fields: object) -> Rollout:
    """A rollout that nobody ran."""
    values = {'score': float(is_success), 'stage': 'approaching', 'duration_s': 5.0,
              'num_queries': 4, 'times': ComputeTimes(
                  physics_s=1.0, rendering_s=2.0, inference_s=3.0), **fields}
    return Rollout(seed=seed, is_success=is_success, **values)
