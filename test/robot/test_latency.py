# SPDX-License-Identifier: Apache-2.0
"""The window of inference delays forgets, in every figure."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.robot.latency import HICCUP_FACTOR, LatencyWindow

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


@given(delays_s=DELAYS, q=st.floats(0.0, 100.0))
def test_hiccups_are_forgotten_after_three_good_answers(delays_s, q):
    window = _window(delays_s, 30)
    assert window.usual_percentile(q) <= HICCUP_FACTOR * max(delays_s[-3:]) * (1 + 1e-12)
    assert window.usual_percentile(q) <= window.percentile(q) * (1 + 1e-12)


@given(delays_s=st.lists(st.floats(1.0, 2.0), min_size=1, max_size=30), q=st.floats(0.0, 100.0))
def test_delays_of_one_magnitude_all_count(delays_s, q):
    window = _window(delays_s, 30)
    assert window.usual_percentile(q) == pytest.approx(window.percentile(q))


@given(fast_s=st.floats(0.0, 1.0), slow_s=st.floats(2.0, 9.0), before=st.integers(0, 10),
       period=st.integers(1, 3), after=st.integers(3, 20))
def test_what_is_slow_every_third_time_is_no_hiccup(fast_s, slow_s, before, period, after):
    slow = [slow_s if (after - index) % period == 0 else fast_s for index in range(after)]
    window = _window([*before * [fast_s], *slow], 30)
    assert window.usual_percentile(100) == slow_s


def test_one_slow_answer_counts_until_the_third_good_one():
    window = _window([0.5, 4.9], 20)
    expected_s = []
    for _ in range(4):
        expected_s.append(window.usual_percentile(100))
        window.add(0.5)
    assert expected_s == [4.9, 4.9, 4.9, 0.5]


def test_maximum_forgets_a_spike_that_left_the_window():
    window = _window([9.0, 0.1, 0.2], 2)
    assert window.max == 0.2


def test_empty_window_has_no_figures():
    window = LatencyWindow(3)
    assert (len(window), window.max, window.percentile(50)) == (0, None, None)
    assert window.usual_percentile(50) is None


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
    for percentile in (LatencyWindow(3).percentile, LatencyWindow(3).usual_percentile):
        with pytest.raises(ConfigurationError, match=f'percentile is {q}'):
            percentile(q)
