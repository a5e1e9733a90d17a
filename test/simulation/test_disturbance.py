# SPDX-License-Identifier: Apache-2.0
"""Disturbances are smooth, begin at nothing, spare the grippers and repeat for a seed."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from cosmos_policy_ros.simulation.disturbance import SmoothDisturbance
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
PLAN = np.linspace(ALOHA.start_pose, ALOHA.start_pose + 2.0, 100)
ARMS = [index for index in range(14) if index not in ALOHA.gripper_indices]


def offsets(seed=0, sigma_rad=0.03, plan=PLAN):
    disturbance = SmoothDisturbance(
        ALOHA, plan, start_ns=5 * MS, period_ns=40 * MS, sigma_rad=sigma_rad,
        correlation_s=0.25, seed=seed)
    return np.array([disturbance((5 + 20 * k) * MS) for k in range(200)])


@given(seed=st.integers(0, 1000))
def test_offsets_begin_at_nothing_and_are_smooth(seed):
    drawn = offsets(seed)
    assert (drawn[0] == 0).all()
    assert np.abs(np.diff(drawn, axis=0)).max() < 0.02
    assert (drawn[:, list(ALOHA.gripper_indices)] == 0).all()
    np.testing.assert_array_equal(drawn, offsets(seed))


def test_offsets_are_as_large_as_asked_in_fast_motion():
    drawn = np.concatenate([offsets(seed)[60:190, ARMS] for seed in range(10)])
    assert 0.7 * 0.03 < drawn.std() < 1.3 * 0.03


def test_offsets_are_small_where_the_arms_stand():
    standing = np.tile(ALOHA.start_pose, (100, 1))
    assert offsets(plan=standing)[60:, ARMS].std() < 0.3 * offsets()[60:, ARMS].std()


def test_the_last_offset_stays():
    disturbance = SmoothDisturbance(
        ALOHA, PLAN, start_ns=0, period_ns=40 * MS, sigma_rad=0.03, correlation_s=0.25, seed=1)
    assert (disturbance(10**12) == disturbance(100 * 40 * MS)).all()
