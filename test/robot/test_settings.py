# SPDX-License-Identifier: Apache-2.0
"""Settings that make no sense are refused by name."""

from __future__ import annotations

from dataclasses import fields
import math

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.robot.settings import ArmSettings, FreshnessLimits

NO_MEASURES = ('position_margin_rad', 'velocity_scale', 'max_identical_images', 'dry_run')
NAMES = [(kind, field.name) for kind in (FreshnessLimits, ArmSettings)
         for field in fields(kind) if field.name not in NO_MEASURES]


@pytest.mark.parametrize('kind, name', NAMES)
@pytest.mark.parametrize('value', [0.0, -1.0, math.nan, math.inf])
def test_every_duration_rate_and_distance_must_be_positive_and_finite(kind, name, value):
    with pytest.raises(ConfigurationError, match=f'{name} is {value}'):
        kind(**{name: value})


def test_negative_count_of_identical_images_is_refused():
    with pytest.raises(ConfigurationError, match='max_identical_images is -1'):
        FreshnessLimits(max_identical_images=-1)
    assert FreshnessLimits(max_identical_images=0).max_identical_images == 0


@pytest.mark.parametrize('refused_rad', [0.05, 0.1])
def test_refused_start_gap_must_exceed_the_start_gap(refused_rad):
    with pytest.raises(ConfigurationError, match=f'refused_start_gap_rad is {refused_rad}'):
        ArmSettings(max_start_gap_rad=0.1, refused_start_gap_rad=refused_rad)
