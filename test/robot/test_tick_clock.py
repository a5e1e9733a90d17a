# SPDX-License-Identifier: Apache-2.0
"""A tick may move for the time since the last one, but never for much more than a period."""

from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.robot.tick_clock import TickClock


@given(elapsed_s=st.floats(-1e9, 1e9))
def test_step_is_never_negative_nor_longer_than_a_period_and_a_half(elapsed_s):
    clock = TickClock(50.0)
    assert 0 <= clock.step_s(elapsed_s) <= 0.03
    if 0 <= elapsed_s <= 0.03:
        assert clock.step_s(elapsed_s) == elapsed_s


def test_ticks_are_measured_from_one_to_the_next_and_the_first_is_one_period():
    clock = TickClock(50.0)
    assert [clock.tick(now_ns) for now_ns in (10**9, 10**9 + 5 * 10**6, 10**9)] == pytest.approx(
        [0.02, 0.005, -0.005])
    clock.reset()
    assert clock.tick(7 * 10**9) == 0.02
