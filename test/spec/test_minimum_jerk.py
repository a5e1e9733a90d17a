# SPDX-License-Identifier: Apache-2.0
"""Laws of the motion from rest to rest."""

from hypothesis import given, strategies
import numpy as np
import pytest

from cosmos_policy_ros.spec.minimum_jerk import minimum_jerk

SHARES = strategies.floats(0, 1)


@given(SHARES, SHARES)
def test_the_way_never_turns_back(share, other):
    early, late = sorted((share, other))
    assert 0 <= minimum_jerk(early) <= minimum_jerk(late) + 1e-15 <= 1 + 2e-15


@given(SHARES)
def test_its_end_mirrors_its_beginning(share):
    assert minimum_jerk(share) + minimum_jerk(1 - share) == pytest.approx(1)


def test_it_begins_and_ends_at_rest_without_acceleration():
    step = 1e-3
    way = minimum_jerk(np.array([0.0, step, 2 * step]))
    assert way[0] == 0
    assert np.diff(way)[0] / step < 1e-4
    assert np.diff(way, 2)[0] / step**2 < 0.1
