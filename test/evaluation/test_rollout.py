# SPDX-License-Identifier: Apache-2.0
"""Settings that cannot be are refused; rollouts survive JSON."""

import json

import pytest
from virtual_runs import rollout

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.policy_source import PolicySource
from cosmos_policy_ros.evaluation.rollout import Rollout, RolloutSettings
from cosmos_policy_ros.policy.planning_settings import PlanningSettings


@pytest.mark.parametrize(('name', 'value'), [
    ('latency_s', -0.1), ('latency_s', float('nan')), ('timeout_s', 0.0), ('image_rate_hz', 0.0),
    ('image_rate_hz', float('inf')), ('recorded_image_rate_hz', 10.0),
    ('recorded_image_rate_hz', 50.0), ('recorded_image_rate_hz', 0.0)])
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        RolloutSettings(**{name: value})


def test_planning_settings_are_what_makes_the_mode():
    assert RolloutSettings().mode == 'direct'
    assert RolloutSettings(planning=PlanningSettings()).mode == 'planning'


def test_a_rollout_survives_json():
    original = rollout(4, False, score=0.2, values=(0.25, 0.5), stop_reason='start_gap: far')
    assert Rollout.from_json(json.loads(json.dumps(original.to_json()))) == original


def test_an_unknown_kind_of_policy_is_refused():
    with pytest.raises(ConfigurationError, match="'magic'.*cosmos, scripted"):
        PolicySource(kind='magic')
