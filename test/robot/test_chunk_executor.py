# SPDX-License-Identifier: Apache-2.0
"""Chunks are placed on the clock: nothing late, nothing twice, nothing beyond the end."""

from __future__ import annotations

from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor, ChunkRejection
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
PERIOD_MS = 40
ANCHOR = np.zeros(14)

ACTIONS = arrays(np.float64, st.tuples(st.integers(1, 8), st.just(14)),
                 elements=st.floats(allow_nan=False, allow_infinity=False))


def _chunk(positions: np.ndarray, stamp_ms: int = 0) -> ActionChunk:
    return ActionChunk(positions=positions, stamp_ns=stamp_ms * MS, period_ns=PERIOD_MS * MS)


def _ramp(num_actions: int, stamp_ms: int = 0, num_joints: int = 14) -> ActionChunk:
    """Each action's positions are its own due time in [ms]."""
    due_ms = stamp_ms + PERIOD_MS * np.arange(1, num_actions + 1)
    return _chunk(np.repeat(due_ms[:, None].astype(float), num_joints, axis=1), stamp_ms)


def _executor(chunk: ActionChunk, now_ms: int = 0) -> ChunkExecutor:
    executor = ChunkExecutor(ALOHA)
    assert executor.submit(chunk, now_ms * MS, ANCHOR).is_accepted
    return executor


@given(positions=ACTIONS, receipt_ms=st.integers(-50, 400), now_ms=st.integers(-100, 500))
def test_target_is_within_the_hull_of_its_neighbours(positions, receipt_ms, now_ms):
    executor, chunk = ChunkExecutor(ALOHA), _chunk(positions)
    executor.submit(chunk, receipt_ms * MS, ANCHOR)
    target = executor.target_at(now_ms * MS)
    if target is None:
        return
    due_ms = [PERIOD_MS * (k + 1) for k in range(len(positions))]
    before = [p for due, p in zip(due_ms, positions) if receipt_ms < due <= now_ms][-1:]
    after = [p for due, p in zip(due_ms, positions) if due > max(receipt_ms, now_ms)][:1]
    neighbours = np.array([*(before or [ANCHOR]), *after])
    assert (neighbours.min(axis=0) <= target).all() and (target <= neighbours.max(axis=0)).all()


@given(num_actions=st.integers(1, 10), receipt_ms=st.integers(0, 300),
       times_ms=st.lists(st.integers(0, 500), min_size=1))
def test_time_going_forward_never_replays_an_action(num_actions, receipt_ms, times_ms):
    executor, chunk = ChunkExecutor(ALOHA), _ramp(num_actions)
    receipt = executor.submit(chunk, receipt_ms * MS, np.full(14, receipt_ms))
    for now_ms in sorted(t for t in times_ms if t >= receipt_ms):
        target = executor.target_at(now_ms * MS)
        is_covered = receipt.is_accepted and now_ms <= PERIOD_MS * num_actions
        assert (target is not None) == is_covered
        if is_covered:
            np.testing.assert_allclose(target, now_ms, rtol=1e-12)


@given(stamps_ms=st.lists(st.integers(0, 400), min_size=1, max_size=6),
       delay_ms=st.integers(0, 300))
def test_no_target_ever_lags_behind_the_clock_across_chunks(stamps_ms, delay_ms):
    executor, now_ms = ChunkExecutor(ALOHA), 0
    for stamp_ms in stamps_ms:
        now_ms = max(now_ms, stamp_ms + delay_ms)
        executor.submit(_ramp(8, stamp_ms), now_ms * MS, np.full(14, now_ms))
        for later_ms in range(now_ms, now_ms + 200, 20):
            target = executor.target_at(later_ms * MS)
            assert target is None or np.allclose(target, later_ms, rtol=1e-12)


@given(num_actions=st.integers(1, 10), receipt_ms=st.integers(0, 500))
def test_late_actions_are_those_already_due(num_actions, receipt_ms):
    receipt = ChunkExecutor(ALOHA).submit(_ramp(num_actions), receipt_ms * MS, ANCHOR)
    assert receipt.num_late == min(receipt_ms // PERIOD_MS, num_actions)
    assert receipt.is_accepted == (receipt.num_late < num_actions)


@given(positions=ACTIONS, behind_ms=st.integers(1, 1000), now_ms=st.integers(0, 500))
def test_older_chunk_changes_nothing(positions, behind_ms, now_ms):
    executor, untouched = (_executor(_ramp(10)) for _ in range(2))
    receipt = executor.submit(_chunk(positions, -behind_ms), 0, np.full(14, 9.0))
    assert receipt.rejection is ChunkRejection.OLDER_OBSERVATION
    assert f'{behind_ms / 1000:.3f} s older' in receipt.detail
    np.testing.assert_equal(
        executor.target_at(now_ms * MS), untouched.target_at(now_ms * MS))


@given(receipt_ms=st.integers(0, 399), shift=st.floats(-1.0, 1.0))
def test_new_chunk_takes_over_without_a_jump(receipt_ms, shift):
    executor = _executor(_ramp(10))
    before = executor.target_at(receipt_ms * MS)
    executor.submit(_chunk(_ramp(10).positions + shift, receipt_ms - 20), receipt_ms * MS, ANCHOR)
    np.testing.assert_array_equal(executor.target_at(receipt_ms * MS), before)


def test_first_chunk_leads_from_the_anchor_to_its_first_action():
    executor = _executor(_ramp(3, stamp_ms=100), now_ms=100)
    targets = [executor.target_at(t * MS)[0] for t in (100, 120, 140, 180, 220)]
    np.testing.assert_allclose(targets, [0.0, 70.0, 140.0, 180.0, 220.0])


def test_late_chunk_leads_from_the_anchor_to_the_first_action_still_due():
    executor = _executor(_ramp(5), now_ms=100)
    np.testing.assert_allclose(executor.target_at(110 * MS), 60.0)
    np.testing.assert_allclose(executor.target_at(120 * MS), 120.0)


def test_nothing_is_extrapolated_beyond_the_last_action():
    executor = _executor(_ramp(2))
    assert executor.coverage_end_ns == 80 * MS
    np.testing.assert_array_equal(executor.target_at(80 * MS), np.full(14, 80.0))
    assert executor.target_at(80 * MS + 1) is None
    assert executor.next_action(80 * MS + 1) is None


def test_clock_before_the_receipt_stays_at_the_start():
    executor = _executor(_ramp(5), now_ms=100)
    np.testing.assert_array_equal(executor.target_at(10 * MS), ANCHOR)


def test_next_action_is_the_first_one_still_due():
    executor = _executor(_ramp(5), now_ms=90)
    assert [executor.next_action(t * MS)[0] for t in (10, 90, 120, 121, 200)] == [
        120.0, 120.0, 120.0, 160.0, 200.0]


def test_empty_executor_covers_nothing():
    executor = _executor(_ramp(5))
    executor.clear()
    assert (executor.target_at(0), executor.next_action(0), executor.coverage_end_ns) == (
        None, None, None)


def test_chunk_of_the_same_observation_may_replace_its_predecessor():
    executor = _executor(_ramp(5))
    assert executor.submit(_chunk(np.full((5, 14), 7.0)), 0, ANCHOR).is_accepted
    assert executor.target_at(40 * MS)[0] == 7.0


def test_ended_chunk_still_refuses_older_ones():
    executor = _executor(_ramp(2, stamp_ms=100), now_ms=100)
    receipt = executor.submit(_ramp(50), 300 * MS, ANCHOR)
    assert receipt.rejection is ChunkRejection.OLDER_OBSERVATION
    assert '0.100 s older' in receipt.detail


@pytest.mark.parametrize('num_joints', [1, 7, 13, 15])
def test_chunk_of_another_robot_is_refused(num_joints):
    executor = ChunkExecutor(ALOHA)
    receipt = executor.submit(_ramp(3, num_joints=num_joints), 0, ANCHOR)
    assert receipt.rejection is ChunkRejection.WRONG_SIZE
    assert receipt.detail == f'actions have {num_joints} joints, expected 14'
    assert executor.target_at(0) is None


@pytest.mark.parametrize('late_ms', [0, 1, 10_000])
def test_chunk_that_comes_too_late_is_refused(late_ms):
    executor = ChunkExecutor(ALOHA)
    receipt = executor.submit(_ramp(3), (120 + late_ms) * MS, ANCHOR)
    assert (receipt.rejection, receipt.num_late) == (ChunkRejection.ALL_LATE, 3)
    assert receipt.detail == f'all 3 actions are late, the last by {late_ms / 1000:.3f} s'
    assert executor.coverage_end_ns is None


def test_chunk_from_the_far_future_is_refused_and_from_the_near_future_taken():
    executor = ChunkExecutor(ALOHA)
    receipt = executor.submit(_ramp(3, stamp_ms=121), 0, ANCHOR)
    assert receipt.rejection is ChunkRejection.FUTURE_OBSERVATION
    assert '0.121 s ahead of the clock; allowed is one chunk, 0.120 s' in receipt.detail
    assert executor.submit(_ramp(3, stamp_ms=120), 0, ANCHOR).is_accepted


def test_huge_actions_and_periods_stay_numbers():
    positions = np.full((2, 14), 1.7e308)
    positions[1] *= -1
    executor = _executor(ActionChunk(positions=positions, stamp_ns=0, period_ns=2**62))
    for share in (0.5, 1.0, 1.5, 2.0):
        assert np.isfinite(executor.target_at(int(share * 2**62))).all()


def test_targets_are_copies():
    executor = _executor(_ramp(2))
    executor.target_at(80 * MS)[:] = 99.0
    executor.next_action(80 * MS)[:] = 99.0
    assert executor.target_at(80 * MS)[0] == 80.0
