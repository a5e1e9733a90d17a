# SPDX-License-Identifier: Apache-2.0
"""What is committed is what the arm node runs, and nothing where the arms do something else."""

from __future__ import annotations

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor
from cosmos_policy_ros.robot.committed_motion import CommittedMotion, FOLLOWED_WITHIN_RAD
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
SETTINGS = MotionSettings(strategy=Strategy.PREFIX_CONDITIONED)
START = ALOHA.start_pose


def _chunk(stamp_ms: int, offset: float = 0.0) -> ActionChunk:
    ramp = np.linspace(0.01, 0.5, 50)[:, None] + offset
    return ActionChunk(positions=START + ramp, stamp_ns=stamp_ms * MS, period_ns=40 * MS)


@given(arrivals=st.lists(st.tuples(st.integers(20, 2500), st.integers(20, 2500)),
                         min_size=1, max_size=4), latency_ms=st.integers(40, 1000))
def test_what_is_committed_is_what_an_executor_of_the_same_chunks_runs(arrivals, latency_ms):
    motion, executor = CommittedMotion(ALOHA, SETTINGS), ChunkExecutor(ALOHA, SETTINGS)
    now_ms, standing_ns = 0, 0
    for wait_ms, delay_ms in arrivals:
        chunk = _chunk(now_ms + wait_ms)
        now_ms += wait_ms + delay_ms
        end_ns = executor.coverage_end_ns
        if end_ns is not None:
            standing_ns = end_ns if end_ns < now_ms * MS else None
        executor.submit(chunk, now_ms * MS, START, standing_ns)
        motion.add(chunk, now_ms * MS, START)
    target = executor.target_at(now_ms * MS)
    if target is None:
        assert motion.actions(START, now_ms * MS, (now_ms + latency_ms) * MS) is None
    else:
        np.testing.assert_array_equal(
            motion.actions(target, now_ms * MS, (now_ms + latency_ms) * MS),
            executor.committed_actions(now_ms * MS, (now_ms + latency_ms + 40) * MS))


@pytest.mark.parametrize(('gap_rad', 'is_committed'), [
    (0.0, True), (0.9 * FOLLOWED_WITHIN_RAD, True), (1.1 * FOLLOWED_WITHIN_RAD, False)])
def test_nothing_is_committed_where_the_arms_do_not_follow(gap_rad, is_committed):
    motion = CommittedMotion(ALOHA, SETTINGS)
    motion.add(_chunk(0), 0, START)
    proprio = _chunk(0).positions[9] - gap_rad
    actions = motion.actions(proprio, 400 * MS, 700 * MS)
    assert (actions is not None) == is_committed
    if is_committed:
        np.testing.assert_allclose(actions, _chunk(0).positions[10:18])


def test_nothing_is_committed_without_a_chunk_or_after_it():
    motion = CommittedMotion(ALOHA, SETTINGS)
    assert motion.actions(START, 0, 10**9) is None
    motion.add(_chunk(0), 0, START)
    assert motion.actions(_chunk(0).positions[-1], 2001 * MS, 3000 * MS) is None
    motion.clear()
    assert motion.actions(START, 100 * MS, 300 * MS) is None
