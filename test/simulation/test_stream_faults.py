# SPDX-License-Identifier: Apache-2.0
"""Spoiled streams: what each fault does to any stream of messages."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cosmos_policy_ros.simulation.faults import faults_from_request, FAULTS
from cosmos_policy_ros.simulation.stream_faults import (
    ClockJump, Delay, Drop, Freeze, make_stream_fault, Message, Reorder)

PERIOD_NS = 10_000_000


def run(stage, count):
    """Send numbered messages through a stage; return (time of leaving, content, stamp)."""
    left = []
    for number in range(count):
        now_ns = (number + 1) * PERIOD_NS
        left += [(now_ns, message.content, message.stamp_ns) for message in stage.spoil(
            Message(content=number, stamp_ns=now_ns), now_ns)]
    return left


@given(share=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_a_lossy_stream_loses_about_its_share_and_keeps_order_and_stamps(share, seed):
    left = run(Drop(share, Random(seed)), 400)
    assert len(left) == pytest.approx(400 * (1 - share), abs=80)
    assert left == sorted(left) and all(stamp == now for now, _, stamp in left)
    assert left == run(Drop(share, Random(seed)), 400)


def test_a_stream_that_loses_everything_is_silent():
    assert run(Drop(1.0, Random(0)), 100) == []


@given(count=st.integers(1, 30))
def test_a_frozen_stream_repeats_its_content_at_the_same_rate(count):
    fresh = run(Freeze(is_stamp_frozen=False), count)
    assert [content for _, content, _ in fresh] == [0] * count
    assert all(stamp == now for now, _, stamp in fresh)
    old = run(Freeze(is_stamp_frozen=True), count)
    assert [message[1:] for message in old] == [(0, PERIOD_NS)] * count


@given(delay_ns=st.integers(1, 20 * PERIOD_NS))
def test_a_late_stream_keeps_its_order_and_tells_its_age(delay_ns):
    left = run(Delay(delay_ns), 40)
    assert [content for _, content, _ in left] == list(range(len(left)))
    assert all(delay_ns <= now - stamp < delay_ns + PERIOD_NS for now, _, stamp in left)
    assert len(left) >= 40 - 1 - delay_ns // PERIOD_NS - 1


@given(size=st.integers(2, 10), seed=st.integers(0, 99))
def test_a_disordered_stream_loses_nothing_of_a_whole_group(size, seed):
    left = run(Reorder(size, Random(seed)), 5 * size + 1)
    assert sorted(content for _, content, _ in left) == list(range(5 * size))
    assert all(stamp == (content + 1) * PERIOD_NS for _, content, stamp in left)


def test_a_disordered_stream_is_out_of_order():
    left = run(Reorder(5, Random(0)), 50)
    assert [content for _, content, _ in left] != sorted(content for _, content, _ in left)


@given(offset_ns=st.integers(-10**12, 10**12))
def test_wrong_stamps_are_off_by_one_offset_but_never_before_the_epoch(offset_ns):
    for now, _, stamp in run(ClockJump(offset_ns), 5):
        assert stamp == max(0, now + offset_ns)


@pytest.mark.parametrize('name', FAULTS)
def test_the_catalogue_and_the_stages_agree(name):
    [fault] = faults_from_request(name, target='x', duration_s=0.0, amount=0.0, seed=0, now_ns=0,
                                  arms=['x'], cameras=['x'])
    is_stream = name.partition('_')[2] in (
        'drop', 'freeze', 'repeat', 'delay', 'reorder', 'clock_jump')
    assert (make_stream_fault(fault) is not None) == is_stream
