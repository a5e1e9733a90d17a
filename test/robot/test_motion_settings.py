# SPDX-License-Identifier: Apache-2.0
"""Settings of motion and queries that make no sense are refused by name."""

from __future__ import annotations

import math

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings, Strategy

POSITIVE = [(MotionSettings, 'blend_s'), (MotionSettings, 'max_acceleration_rad_s2'),
            (MotionSettings, 'pose_speed_rad_s'), (QuerySettings, 'blend_s'),
            (QuerySettings, 'query_margin_s'), (QuerySettings, 'settle_s')]


@pytest.mark.parametrize('kind, name', POSITIVE)
@pytest.mark.parametrize('value', [0.0, -1.0, math.nan, math.inf])
def test_durations_and_limits_must_be_positive_and_finite(kind, name, value):
    with pytest.raises(ConfigurationError, match=f'{name} is {value}'):
        kind(**{name: value})


@pytest.mark.parametrize('kind, name, value', [
    (MotionSettings, 'ensemble_decay', -0.1), (MotionSettings, 'ensemble_decay', math.nan),
    (MotionSettings, 'gripper_squeeze', 0.0), (MotionSettings, 'gripper_squeeze', 1.1),
    (MotionSettings, 'gripper_squeeze', math.nan), (QuerySettings, 'execution_horizon', -1),
    (QuerySettings, 'latency_percentile', 101.0), (QuerySettings, 'latency_percentile', math.nan)])
def test_value_out_of_its_range_is_refused(kind, name, value):
    with pytest.raises(ConfigurationError, match=f'{name} is {value}'):
        kind(**{name: value})


@pytest.mark.parametrize('kind', [MotionSettings, QuerySettings])
def test_strategy_is_known_by_its_name_alone(kind):
    assert kind().strategy is Strategy.ASYNC_BLEND
    for strategy in Strategy:
        assert kind(strategy=strategy.value).strategy is strategy
    with pytest.raises(ConfigurationError, match="'rtc'; allowed is blocking, async_blend, temp"):
        kind(strategy='rtc')
