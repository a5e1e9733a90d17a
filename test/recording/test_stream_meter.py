# SPDX-License-Identifier: Apache-2.0
"""Rates and gaps of a stream."""

from hypothesis import given, strategies
import pytest

from cosmos_policy_ros.recording.stream_meter import StreamMeter

SECOND = 10**9


def test_rate_is_that_since_the_last_look_and_the_count_that_since_the_start():
    meter = StreamMeter(0)
    for index in range(1, 11):
        meter.count(index * SECOND // 10)
    first = meter.look(SECOND)
    assert (first.messages, first.rate_hz) == (10, 10.0)
    second = meter.look(3 * SECOND)
    assert (second.messages, second.rate_hz) == (10, 0.0)


def test_a_stream_that_stopped_has_a_growing_gap():
    meter = StreamMeter(0)
    meter.count(SECOND)
    assert meter.look(5 * SECOND).max_gap_s == 4.0
    assert StreamMeter(0).look(2 * SECOND).max_gap_s == 2.0


@given(strategies.lists(strategies.integers(0, 10**12), min_size=2, max_size=30))
def test_the_longest_gap_is_the_longest_difference(times):
    times = sorted(times)
    meter = StreamMeter(times[0])
    for time_ns in times[1:]:
        meter.count(time_ns)
    longest = max(b - a for a, b in zip(times, times[1:]))
    assert meter.look(times[-1]).max_gap_s == pytest.approx(longest / 1e9)
