# SPDX-License-Identifier: Apache-2.0
"""Rates, gaps, drops and latency of a stream."""

from hypothesis import given, strategies
import pytest

from cosmos_policy_ros.recording.stream_meter import DISCOVERY_NS, StreamKind, StreamMeter

SECOND = 10**9
PERIOD = SECOND // 10


def fed(stamps_ns, kind=StreamKind.IMAGE, latency_ns=0):
    """Return a meter that counted messages with these stamps."""
    meter = StreamMeter(0, kind)
    for stamp_ns in stamps_ns:
        meter.count(stamp_ns + latency_ns, stamp_ns)
    return meter


def test_rate_is_that_since_the_last_look_and_the_count_that_since_the_start():
    meter = StreamMeter(0)
    for index in range(1, 11):
        meter.count(index * PERIOD)
    first = meter.look(SECOND)
    assert (first.messages, first.rate_hz) == (10, 10.0)
    second = meter.look(3 * SECOND)
    assert (second.messages, second.rate_hz) == (10, 0.0)


def test_a_stream_that_stopped_has_a_growing_gap():
    meter = StreamMeter(0)
    meter.count(SECOND)
    assert meter.look(5 * SECOND).max_gap_s == 4.0
    assert StreamMeter(0).look(2 * SECOND).max_gap_s == 2.0


def test_the_moment_of_discovery_is_no_gap_and_does_not_lower_the_rate():
    meter = StreamMeter(0)
    for index in range(11):
        meter.count(DISCOVERY_NS + index * PERIOD)
    whole = meter.sum_up(DISCOVERY_NS + SECOND)
    assert whole.max_gap_s == pytest.approx(0.1) and whole.rate_hz == pytest.approx(10.0)
    late = StreamMeter(0)
    late.count(3 * DISCOVERY_NS)
    assert late.sum_up(3 * DISCOVERY_NS).max_gap_s == 3.0


@given(strategies.lists(strategies.integers(0, 10**12), min_size=2, max_size=30))
def test_the_longest_gap_is_the_longest_difference(times):
    times = sorted(times)
    meter = StreamMeter(times[0])
    for time_ns in times:
        meter.count(time_ns)
    longest = max(b - a for a, b in zip(times, times[1:]))
    assert meter.look(times[-1]).max_gap_s == pytest.approx(longest / 1e9)


@given(strategies.sets(strategies.integers(1, 98), max_size=40))
def test_every_message_missing_from_an_even_stream_counts_as_dropped(missing):
    stamps = [index * PERIOD for index in range(100) if index not in missing]
    assert fed(stamps).look(stamps[-1]).dropped == len(missing)


def test_an_event_stream_drops_nothing():
    stamps = [0, PERIOD, 2 * PERIOD, 90 * PERIOD]
    assert fed(stamps, StreamKind.OTHER).look(stamps[-1]).dropped == 0


def test_jitter_below_half_a_period_is_no_drop():
    stamps = [index * PERIOD + (-1) ** index * PERIOD // 5 for index in range(1, 100)]
    assert fed(stamps).look(stamps[-1]).dropped == 0


def test_latency_is_that_of_the_newest_and_in_the_end_that_of_most():
    meter = fed([index * PERIOD for index in range(100)], latency_ns=PERIOD // 2)
    meter.count(30 * SECOND, 10 * SECOND)
    assert meter.look(30 * SECOND).latency_s == 20.0
    assert meter.sum_up(30 * SECOND).latency_s == pytest.approx(0.05)


def test_stamps_that_go_backwards_are_counted():
    assert fed([0, PERIOD, 3 * PERIOD, 2 * PERIOD]).look(3 * PERIOD).backward == 1


def test_a_stream_without_messages_has_no_rate():
    assert StreamMeter(0).sum_up(SECOND).rate_hz == 0.0
