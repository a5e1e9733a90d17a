# SPDX-License-Identifier: Apache-2.0
"""Chunks are placed on the clock: nothing late, nothing twice, nothing beyond the end."""

from __future__ import annotations

from hypothesis import given, settings as hypothesis_settings, strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor, ChunkRejection
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
PERIOD_MS = 40
ANCHOR = np.zeros(14)
ON_CLOCK = [Strategy.ASYNC_BLEND, Strategy.TEMPORAL_ENSEMBLE, Strategy.PREFIX_CONDITIONED]

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
    set_off_ms = PERIOD_MS * (receipt.num_late + 1)
    for now_ms in sorted(t for t in times_ms if t >= receipt_ms):
        target = executor.target_at(now_ms * MS)
        is_covered = receipt.is_accepted and now_ms <= PERIOD_MS * num_actions
        assert (target is not None) == is_covered
        if is_covered and now_ms >= set_off_ms:
            np.testing.assert_allclose(target, now_ms, rtol=1e-12)
        elif is_covered:
            assert ((receipt_ms <= target) & (target <= now_ms)).all()


@hypothesis_settings(deadline=None)
@given(arrivals=st.lists(st.tuples(
    st.integers(0, 300), st.integers(0, 300), st.integers(1, 12), st.booleans()),
    min_size=1, max_size=8), strategy=st.sampled_from(ON_CLOCK))
def test_no_target_ever_goes_back_across_late_lost_and_reordered_chunks(arrivals, strategy):
    executor = ChunkExecutor(ALOHA, MotionSettings(strategy=strategy))
    now_ms, last = 1000, 1000.0
    for gap_ms, delay_ms, num_actions, is_lost in arrivals:
        if not is_lost:
            executor.submit(
                _ramp(num_actions, now_ms - delay_ms), now_ms * MS, np.full(14, last))
        for later_ms in range(now_ms, now_ms + gap_ms, 10):
            target = executor.target_at(later_ms * MS)
            if target is None:
                continue
            assert last - 1e-9 <= target[0] <= later_ms + PERIOD_MS
            last = target[0]
        now_ms += gap_ms


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
    targets = [executor.target_at(t * MS)[0] for t in (100, 140, 180, 220)]
    np.testing.assert_allclose(targets, [0.0, 140.0, 180.0, 220.0])
    assert 0 < executor.target_at(101 * MS)[0] < 140 / 40


def test_late_chunk_leads_from_the_anchor_to_the_first_action_still_due():
    executor = _executor(_ramp(5), now_ms=100)
    assert 0 < executor.target_at(110 * MS)[0] < 60.0
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
    assert executor.target_at(200 * MS)[0] == 7.0


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


@pytest.mark.parametrize('late_ms', [0, 1, 9_000])
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


def _blocking(chunk: ActionChunk, now_ms: int) -> ChunkExecutor:
    executor = ChunkExecutor(ALOHA, MotionSettings(strategy='blocking'))
    assert executor.submit(chunk, now_ms * MS, ANCHOR).num_late == 0
    return executor


@given(late_ms=st.integers(0, 10_000), num_actions=st.integers(1, 20))
def test_blocking_plays_every_action_from_the_receipt_however_late_it_is(late_ms, num_actions):
    chunk = _ramp(num_actions)
    executor = _blocking(chunk, late_ms)
    for index, action in enumerate(chunk.positions):
        np.testing.assert_array_equal(
            executor.target_at((late_ms + (index + 1) * PERIOD_MS) * MS), action)
    assert executor.coverage_end_ns == (late_ms + num_actions * PERIOD_MS) * MS
    assert executor.target_at(executor.coverage_end_ns + 1) is None


def test_blocking_refuses_a_chunk_while_it_plays_one_but_not_in_its_last_period():
    executor = _blocking(_ramp(10), 1000)
    receipt = executor.submit(_ramp(10, 1100), 1300 * MS, ANCHOR)
    assert receipt.rejection is ChunkRejection.STILL_PLAYING
    assert 'played for 0.100 s more' in receipt.detail
    assert executor.submit(_ramp(10, 1100), 1365 * MS, ANCHOR).is_accepted
    assert executor.coverage_end_ns == 1765 * MS


@given(stood_ms=st.integers(0, 10_000), moved_ms=st.integers(0, 190),
       strategy=st.sampled_from(ON_CLOCK))
def test_time_that_the_arms_stood_still_since_the_observation_does_not_count(
        stood_ms, moved_ms, strategy):
    executor = ChunkExecutor(ALOHA, MotionSettings(strategy=strategy))
    now_ms = moved_ms + stood_ms
    receipt = executor.submit(_ramp(5), now_ms * MS, np.full(14, moved_ms), moved_ms * MS)
    assert receipt.is_accepted and receipt.num_late == moved_ms // PERIOD_MS
    for due_ms in range(PERIOD_MS * (receipt.num_late + 1), 201, PERIOD_MS):
        np.testing.assert_array_equal(executor.target_at((due_ms + stood_ms) * MS), due_ms)
    assert executor.coverage_end_ns == (200 + stood_ms) * MS


@given(stand_ms=st.integers(-10_000, 0), receipt_ms=st.integers(0, 10_000))
def test_chunk_for_arms_at_rest_is_played_whole_however_late_it_is(stand_ms, receipt_ms):
    executor = ChunkExecutor(ALOHA)
    receipt = executor.submit(_ramp(5), receipt_ms * MS, ANCHOR, stand_ms * MS)
    assert receipt.is_accepted and receipt.num_late == 0
    assert executor.target_at((receipt_ms + PERIOD_MS) * MS)[0] == 40.0
    assert executor.coverage_end_ns == (receipt_ms + 200) * MS


@pytest.mark.parametrize('strategy', list(Strategy))
def test_chunk_of_a_stale_observation_is_refused_even_by_arms_at_rest(strategy):
    executor = ChunkExecutor(ALOHA, MotionSettings(strategy=strategy, max_chunk_age_s=2.0))
    assert executor.submit(_ramp(5), 2_000 * MS, ANCHOR, 0).is_accepted
    receipt = ChunkExecutor(ALOHA, MotionSettings(strategy=strategy, max_chunk_age_s=2.0)).submit(
        _ramp(5), 2_001 * MS, ANCHOR, 0)
    assert receipt.rejection is ChunkRejection.STALE_OBSERVATION
    assert receipt.detail == 'its observation is 2.001 s old (limit 2.0 s)'


def test_chunk_that_ran_out_before_the_arms_stopped_is_refused():
    receipt = ChunkExecutor(ALOHA).submit(_ramp(5), 4900 * MS, ANCHOR, 200 * MS)
    assert (receipt.rejection, receipt.num_late) == (ChunkRejection.ALL_LATE, 5)


def test_chunk_of_an_observation_ahead_of_the_clock_keeps_its_time():
    executor = ChunkExecutor(ALOHA)
    assert executor.submit(_ramp(5, stamp_ms=30), 0, ANCHOR, 0).is_accepted
    assert executor.coverage_end_ns == 230 * MS


@pytest.mark.parametrize('strategy', list(Strategy))
def test_switching_the_strategy_moves_no_target_of_the_present_chunks(strategy):
    executor, untouched = (_executor(_ramp(20)) for _ in range(2))
    executor.configure(MotionSettings(strategy=strategy))
    for now_ms in range(0, 900, 10):
        np.testing.assert_equal(
            executor.target_at(now_ms * MS), untouched.target_at(now_ms * MS))


@given(from_ms=st.integers(0, 800), until_ms=st.integers(0, 1200))
def test_committed_actions_are_what_runs_at_the_rate_of_a_chunk_stamped_then(from_ms, until_ms):
    executor = _executor(_ramp(20))
    actions = executor.committed_actions(from_ms * MS, until_ms * MS)
    due_ms = [t for t in range(from_ms + PERIOD_MS, min(until_ms, 800) + 1, PERIOD_MS)]
    assert actions.shape == (len(due_ms), 14)
    for due, action in zip(due_ms, actions):
        np.testing.assert_array_equal(action, executor.target_at(due * MS))


def test_without_a_chunk_nothing_is_committed():
    assert ChunkExecutor(ALOHA).committed_actions(0, 10**9).shape == (0, 14)
