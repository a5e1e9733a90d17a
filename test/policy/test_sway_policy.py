# SPDX-License-Identifier: Apache-2.0
"""The swaying policy: endless, slow, well inside the limits, and the same whoever asks when."""

from contracts.policy_contract import PolicyContract
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.policy.sway_policy import SwayPolicy
from cosmos_policy_ros.spec.aloha import ALOHA


class TestContract(PolicyContract):
    """It is a policy like any other, but certain and blind."""

    is_stochastic = imagines_images = False

    @pytest.fixture
    def policy(self):
        """The policy under test."""
        return SwayPolicy(ALOHA)


@given(start_ns=st.integers(0, 2 * 10**18))
def test_the_motion_is_slow_and_inside_the_limits_at_any_time(start_ns):
    times_ns = start_ns + np.arange(250) * 20_000_000
    positions = SwayPolicy(ALOHA).positions_at(times_ns)
    assert (positions >= ALOHA.lower + 0.05 * (ALOHA.lower < 0)).all()
    assert (positions <= ALOHA.upper).all()
    speed = np.abs(np.diff(positions, axis=0)).max(axis=0) / 0.02
    assert speed.max() < 0.6 and speed[0] > 0.4 and speed[7] > 0.4


def test_chunks_of_different_observations_agree_where_they_overlap(synthetic_observation):
    policy = SwayPolicy(ALOHA)
    early, late = (policy.predict(synthetic_observation(stamp_ns=stamp_ns), 0).chunk.positions
                   for stamp_ns in (10**12, 10**12 + 400_000_000))
    np.testing.assert_allclose(early[10:], late[:-10], atol=1e-9)
