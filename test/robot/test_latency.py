# SPDX-License-Identifier: Apache-2.0
"""The window of inference delays forgets, in every figure."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.robot.latency import LatencyWindow

DELAYS = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30)


def _window(delays_s: list[float], size: int) -> LatencyWindow:
    window = LatencyWindow(size)
    for delay_s in delays_s:
        window.add(delay_s)
    return window


@given(delays_s=DELAYS, size=st.integers(1, 10), q=st.floats(0.0, 100.0))
def test_every_figure_is_that_of_the_last_delays_alone(delays_s, size, q):
    window = _window(delays_s, size)
    recent_s = delays_s[-size:]
    assert len(window) == len(recent_s)
    assert window.max == max(recent_s)
    assert window.percentile(q) == pytest.approx(np.percentile(recent_s, q))


@given(delays_s=DELAYS, low=st.floats(0, 100), high=st.floats(0, 100))
def test_percentiles_rise_with_their_share_up_to_the_maximum(delays_s, low, high):
    window = _window(delays_s, 10)
    low, high = sorted((low, high))
    assert window.percentile(low) <= window.percentile(high) * (1 + 1e-12)
    assert window.percentile(100) == window.max


def test_maximum_forgets_a_spike_that_left_the_window():
    window = _window([9.0, 0.1, 0.2], 2)
    assert window.max == 0.2


def test_empty_window_has_no_figures():
    window = LatencyWindow(3)
    assert (len(window), window.max, window.percentile(50)) == (0, None, None)


@pytest.mark.parametrize('delay_s', [-0.1, float('nan'), float('inf')])
def test_impossible_delay_is_refused_and_not_kept(delay_s):
    window = LatencyWindow(3)
    with pytest.raises(PredictionError, match=str(delay_s)):
        window.add(delay_s)
    assert len(window) == 0


@pytest.mark.parametrize('size', [0, -1])
def test_window_without_room_is_refused(size):
    with pytest.raises(ConfigurationError, match=f'window of {size} '):
        LatencyWindow(size)


@pytest.mark.parametrize('q', [-1, 101, float('nan')])
def test_impossible_percentile_is_refused(q):
    with pytest.raises(ConfigurationError, match=f'percentile is {q}'):
        LatencyWindow(3).percentile(q)
