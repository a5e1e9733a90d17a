# SPDX-License-Identifier: Apache-2.0
"""The buffer keeps the newest sample and counts what it refuses."""

from __future__ import annotations

from hypothesis import example, given, strategies as st

from cosmos_policy_ros.robot.stream_buffer import StreamBuffer

MS = 1_000_000


def _buffer() -> StreamBuffer[str]:
    return StreamBuffer(future_tolerance_s=0.02)


@given(stamps_ms=st.lists(st.integers(0, 50), min_size=1))
def test_newest_is_the_first_sample_of_the_largest_stamp(stamps_ms):
    buffer = _buffer()
    for index, stamp in enumerate(stamps_ms):
        is_newest = stamp > max(stamps_ms[:index], default=-1)
        assert buffer.push(index, stamp * MS, 100 * MS) == is_newest
    assert buffer.newest.value == stamps_ms.index(max(stamps_ms))
    assert buffer.num_repeated == stamps_ms.count(max(stamps_ms)) - 1
    assert buffer.num_older == sum(
        stamp < max(stamps_ms[:index], default=-1) for index, stamp in enumerate(stamps_ms))


@given(stamps_ms=st.lists(st.integers(0, 1000), min_size=1, unique=True))
def test_samples_in_order_are_all_taken(stamps_ms):
    buffer = _buffer()
    for stamp in sorted(stamps_ms):
        assert buffer.push('x', stamp * MS, stamp * MS)
    assert (buffer.num_older, buffer.num_repeated) == (0, 0)


def test_older_stamp_is_counted_and_refused():
    buffer = _buffer()
    buffer.push('new', 10 * MS, 10 * MS)
    assert not buffer.push('old', 9 * MS, 11 * MS)
    assert (buffer.newest.value, buffer.num_older) == ('new', 1)


def test_repeated_stamp_is_counted_until_the_stamp_advances():
    buffer = _buffer()
    for received_ms in (10, 11, 12):
        buffer.push(received_ms, 10 * MS, received_ms * MS)
    assert (buffer.newest.value, buffer.num_repeated) == (10, 2)
    assert buffer.push(13, 13 * MS, 13 * MS)
    assert buffer.num_repeated == 0


def test_one_stamp_from_the_future_does_not_block_the_stream():
    buffer = _buffer()
    buffer.push('wrong', 900_000 * MS, 10 * MS)
    assert 'ahead of the clock' in buffer.problem(10 * MS, max_age_s=0.05)
    assert buffer.push('right', 11 * MS, 11 * MS)
    assert buffer.problem(11 * MS, max_age_s=0.05) is None


def test_clock_that_was_set_back_does_not_block_the_stream():
    buffer = _buffer()
    buffer.push('before', 900_000 * MS, 900_000 * MS)
    assert buffer.push('after', 5 * MS, 5 * MS)
    assert buffer.age_ns(6 * MS) == MS


def test_empty_buffer_has_no_age_and_says_missing():
    buffer = _buffer()
    assert buffer.newest is None
    assert buffer.age_ns(5) is None
    assert buffer.problem(5, max_age_s=1.0) == 'missing'


@given(age_ms=st.integers(-20, 200))
@example(age_ms=50)
def test_sample_is_usable_exactly_up_to_the_age_limit(age_ms):
    buffer = _buffer()
    buffer.push('x', 1000 * MS, 1000 * MS)
    problem = buffer.problem((1000 + age_ms) * MS, max_age_s=0.05)
    assert (problem is None) == (age_ms <= 50)


def test_problem_names_age_limit_and_repeated_stamps():
    buffer = _buffer()
    for received_ms in (0, 20, 40):
        buffer.push('x', 0, received_ms * MS)
    assert buffer.problem(120 * MS, max_age_s=0.05) == (
        '0.120 s old (limit 0.050 s), frozen: stamp repeated 2 times')


def test_stamp_ahead_of_the_clock_is_named_with_its_tolerance():
    buffer = _buffer()
    buffer.push('x', 30 * MS, 0)
    assert buffer.problem(0, max_age_s=0.05) == (
        'stamp lies 0.030 s ahead of the clock (limit 0.020 s)')
    assert buffer.problem(10 * MS, max_age_s=0.05) is None
