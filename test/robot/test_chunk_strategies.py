# SPDX-License-Identifier: Apache-2.0
"""Takeovers are smooth: nobody who watches the arms can tell where a chunk began."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
import math

from hypothesis import given, settings as hypothesis_settings, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor
from cosmos_policy_ros.robot.chunk_strategies import (
    MAX_LAYERS, MAX_MEMBERS, smooth_step, taken_over)
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
PERIOD_MS = 40
BLEND_S = 0.2
ON_CLOCK = [Strategy.ASYNC_BLEND, Strategy.TEMPORAL_ENSEMBLE, Strategy.PREFIX_CONDITIONED]
# One arrival: time since the last one, delay of inference, number of actions, and its strategy.
ARRIVALS = st.lists(
    st.tuples(st.integers(20, 600), st.integers(0, 900), st.integers(10, 50),
              st.sampled_from(ON_CLOCK)), min_size=1, max_size=8)


def _curve(time_s: np.ndarray | float) -> np.ndarray:
    """One smooth motion of all joints: at most 1 per s fast, changing by at most 2 per s^2."""
    phases = np.arange(14)
    return 0.5 * np.sin(2 * np.asarray(time_s)[..., None] + phases)


def _chunk(stamp_ms: int, num_actions: int, offset: float = 0.0) -> ActionChunk:
    times_s = (stamp_ms + PERIOD_MS * np.arange(1, num_actions + 1)) / 1000
    return ActionChunk(positions=_curve(times_s) + offset, stamp_ns=stamp_ms * MS,
                       period_ns=PERIOD_MS * MS)


def _constant(value: float, stamp_ms: int, num_actions: int = 50) -> ActionChunk:
    return ActionChunk(positions=np.full((num_actions, 14), value), stamp_ns=stamp_ms * MS,
                       period_ns=PERIOD_MS * MS)


def _settings(**changes: object) -> MotionSettings:
    return MotionSettings(**{'blend_s': BLEND_S, **changes})


def _play(arrivals: list[tuple]) -> Iterator[tuple[int, int, np.ndarray | None, bool]]:
    """Every 5th ms: its time, when the arms last set off in [ms], the target, and whether any
    chunk came too late for a blend within its predecessor.

    Observations may be reordered by their delays and chunks refused.
    """
    executor = ChunkExecutor(ALOHA, _settings())
    now_ms, set_off_ms, anchor, is_short = 1000, 1000, _curve(1.0), False
    for gap_ms, delay_ms, num_actions, strategy in arrivals:
        executor.configure(_settings(strategy=strategy))
        is_standing = executor.target_at(now_ms * MS) is None
        end_ns = executor.coverage_end_ns or 0
        receipt = executor.submit(
            _chunk(now_ms - delay_ms, num_actions), now_ms * MS, anchor)
        is_setting_off = is_standing or now_ms < set_off_ms + 2 * PERIOD_MS
        if is_setting_off and receipt.is_accepted:
            set_off_ms = now_ms
        is_short |= not is_standing and end_ns < (now_ms + 1000 * BLEND_S) * MS
        for later_ms in range(now_ms, now_ms + gap_ms, 5):
            target = executor.target_at(later_ms * MS)
            anchor = anchor if target is None else target
            yield later_ms, set_off_ms, target, is_short
        now_ms += gap_ms


@hypothesis_settings(deadline=None)
@given(arrivals=ARRIVALS)
def test_chunks_of_one_smooth_motion_give_that_motion_whatever_the_strategies(arrivals):
    for now_ms, set_off_ms, target, is_short in _play(arrivals):
        if target is not None and now_ms >= set_off_ms + 2 * PERIOD_MS:
            # As accurate as the interpolation of a single chunk, and where the old chunk ends
            # during the blend, as its continuation: half of 2 per s^2 for part of the blend.
            accuracy = 2 * 0.04**2 / 2 + (2 * 0.13**2 / 2 if is_short else 0.0)
            np.testing.assert_allclose(target, _curve(now_ms / 1000), atol=accuracy)


@hypothesis_settings(deadline=None)
@given(arrivals=ARRIVALS)
def test_speed_is_continuous_at_the_borders_of_chunks_that_agree(arrivals):
    past: list[tuple[int, np.ndarray]] = []
    for now_ms, set_off_ms, target, _ in _play(arrivals):
        is_on_way = target is not None and now_ms >= set_off_ms + 2 * PERIOD_MS
        past = [*past[-2:], (now_ms, target)] if is_on_way else []
        if len(past) == 3:
            (t0, x0), (t1, x1), (t2, x2) = past
            change = (x2 - x1) / (t2 - t1) - (x1 - x0) / (t1 - t0)
            # 2 per s^2 for 5 ms, and what the interpolation adds where joints turn or chunks end.
            assert np.abs(change).max() * 1000 <= 0.2


@hypothesis_settings(deadline=None)
@given(strategy=st.sampled_from(list(Strategy)), value=st.floats(-3, 3), arrivals=ARRIVALS)
def test_constant_chunks_give_a_constant_target(strategy, value, arrivals):
    executor, now_ms = ChunkExecutor(ALOHA, _settings(strategy=strategy)), 1000
    for gap_ms, delay_ms, num_actions, _ in arrivals:
        executor.submit(_constant(value, now_ms - delay_ms, num_actions), now_ms * MS,
                        np.full(14, value))
        for later_ms in range(now_ms, now_ms + gap_ms, 7):
            target = executor.target_at(later_ms * MS)
            assert target is None or (target == value).all()
        now_ms += gap_ms


@hypothesis_settings(deadline=None, max_examples=40)
@given(before=st.sampled_from(ON_CLOCK), after=st.sampled_from(ON_CLOCK),
       offset=st.floats(-0.3, 0.3), takeover_ms=st.integers(200, 1500))
def test_chunks_that_disagree_are_joined_without_a_jump_also_across_strategies(
        before, after, offset, takeover_ms):
    executor = ChunkExecutor(ALOHA, _settings(strategy=before))
    executor.submit(_chunk(0, 50), 0, _curve(0.0))
    executor.submit(_chunk(100, 50), 150 * MS, _curve(0.0))
    executor.configure(_settings(strategy=after))
    executor.submit(_chunk(takeover_ms - 100, 50, offset), takeover_ms * MS, _curve(0.0))
    times_ms = np.arange(takeover_ms - 10, takeover_ms + 250, 0.5)
    course = np.array([executor.target_at(round(t * MS)) for t in times_ms])
    speeds = np.diff(course, axis=0) / 0.0005
    window_s = 0.04 if after is Strategy.PREFIX_CONDITIONED else BLEND_S
    # A minimum-jerk blend of height h over T is at most 15/8 h/T fast on top of the motion.
    assert np.abs(speeds).max() <= 1.1 + 15 / 8 * abs(offset) / window_s * 1.3
    change = np.abs(np.diff(speeds, axis=0)).max()
    assert change <= 0.0005 * (60 + 12 * abs(offset) / window_s**2)


def test_blend_goes_from_the_old_chunk_to_the_new_by_the_minimum_jerk_law():
    executor = ChunkExecutor(ALOHA, _settings(blend_s=0.4))
    executor.submit(_constant(0.0, 0), 0, np.zeros(14))
    executor.submit(_constant(1.0, 500), 600 * MS, np.zeros(14))
    for time_ms, share in ((600, 0.0), (700, 0.25), (800, 0.5), (900, 0.75), (1000, 1.0)):
        expected = share**3 * (10 - 15 * share + 6 * share**2)
        np.testing.assert_allclose(executor.target_at(time_ms * MS), expected, atol=1e-12)


def test_chunk_that_comes_just_before_the_end_of_the_old_one_is_blended_in_all_the_same():
    executor = ChunkExecutor(ALOHA, _settings())
    executor.submit(_chunk(0, 10), 0, _curve(0.0))
    executor.submit(_chunk(300, 50, 0.1), 390 * MS, _curve(0.0))
    times_ms = np.arange(385, 600, 1)
    speeds = np.diff([executor.target_at(int(t) * MS) for t in times_ms], axis=0) / 0.001
    # The height of the blend is 0.1, and the old chunk went on at up to 1 per s.
    assert np.abs(speeds).max() <= 1.1 + 15 / 8 * 0.1 / BLEND_S
    assert np.abs(np.diff(speeds, axis=0)).max() <= 0.001 * 120
    np.testing.assert_allclose(executor.target_at(590 * MS), _curve(0.59) + 0.1, atol=2e-3)


@pytest.mark.parametrize('strategy', ON_CLOCK)
def test_chunk_that_comes_the_moment_the_old_one_ends_does_not_stop_the_motion(strategy):
    executor = ChunkExecutor(ALOHA, _settings(strategy=strategy))
    executor.submit(_chunk(0, 10), 0, _curve(0.0))
    executor.submit(_chunk(200, 50), 400 * MS, _curve(0.0))
    times_ms = np.arange(390, 800, 10)
    targets = np.array([executor.target_at(int(t) * MS) for t in times_ms])
    np.testing.assert_allclose(targets, _curve(times_ms / 1000), atol=0.03)
    assert np.abs(np.diff(targets, n=2, axis=0)).max() / 0.01 < 0.1, 'a step of the speed, per s'


def test_prefix_conditioned_chunk_takes_over_within_one_period():
    executor = ChunkExecutor(ALOHA, _settings(strategy='prefix_conditioned'))
    executor.submit(_constant(0.0, 0), 0, np.zeros(14))
    executor.submit(_constant(1.0, 500), 600 * MS, np.zeros(14))
    assert executor.target_at(620 * MS)[0] == pytest.approx(0.5)
    assert executor.target_at(640 * MS)[0] == 1.0


@pytest.mark.parametrize('decay', [0.0, 0.01, 0.5])
def test_ensemble_weights_are_those_of_act_once_every_chunk_has_faded_in(decay):
    executor = ChunkExecutor(ALOHA, _settings(
        strategy='temporal_ensemble', ensemble_decay=decay))
    values = [0.0, 1.0, 4.0]
    for index, value in enumerate(values):
        executor.submit(_constant(value, 300 * index), (300 * index + 50) * MS, np.zeros(14))
    weights = [math.exp(-decay * i) for i in range(3)]
    expected = np.dot(weights, values) / sum(weights)
    np.testing.assert_allclose(executor.target_at(1000 * MS), expected)
    assert executor.coverage_end_ns == 2600 * MS
    assert executor.target_at(2600 * MS)[0] == pytest.approx(4.0)


def test_ensemble_keeps_its_weights_when_the_oldest_chunk_leaves():
    executor = ChunkExecutor(ALOHA, _settings(
        strategy='temporal_ensemble', ensemble_decay=0.3))
    for index, value in enumerate([0.0, 1.0, 4.0]):
        executor.submit(_constant(value, 300 * index), (300 * index + 50) * MS, np.zeros(14))
    course = [executor.target_at(t * MS)[0] for t in range(1500, 2600)]
    assert np.abs(np.diff(course)).max() < 15 / 8 * 4 / 200


@hypothesis_settings(deadline=None, max_examples=20)
@given(values=st.lists(st.floats(-1, 1), min_size=2, max_size=6),
       gaps_ms=st.lists(st.integers(50, 1800), min_size=5, max_size=5),
       late_ms=st.lists(st.integers(0, 1500), min_size=6, max_size=6))
def test_ensemble_of_chunks_that_disagree_never_jumps_wherever_they_end(values, gaps_ms, late_ms):
    executor = ChunkExecutor(ALOHA, _settings(strategy='temporal_ensemble'))
    now_ms, past = 2000, []
    for value, gap_ms, delay_ms in zip(values, [*gaps_ms, 2000], late_ms):
        is_moving = executor.target_at(now_ms * MS) is not None
        past = past if is_moving else []
        anchor = past[-1] if past else np.full(14, value)
        executor.submit(_constant(value, now_ms - delay_ms), now_ms * MS, anchor)
        for later_ms in range(now_ms, now_ms + gap_ms, 20):
            target = executor.target_at(later_ms * MS)
            if target is not None and past:
                # Nothing is shared out anew faster than two minimum-jerk fades at once.
                fastest = 2 * 15 / 8 * np.ptp(values) / BLEND_S
                assert np.abs(target - past[-1]).max() <= fastest * 0.02
            past = [] if target is None else [target]
        now_ms += 20 * -(-gap_ms // 20)


def test_ensemble_whose_chunks_end_together_goes_on_as_their_mean():
    executor = ChunkExecutor(ALOHA, _settings(
        strategy='temporal_ensemble', ensemble_decay=0.0))
    executor.submit(_constant(0.0, 0), 0, np.zeros(14))
    executor.submit(_constant(1.0, 0), 500 * MS, np.zeros(14))
    times_ms = (700, 1500, 1900, 1990, 2000)
    assert [executor.target_at(t * MS)[0] for t in times_ms] == pytest.approx(5 * [0.5])
    executor.submit(_constant(0.5, 1000), 2000 * MS, np.zeros(14))
    assert [executor.target_at(t * MS)[0] for t in (2000, 2050, 2300)] == pytest.approx(3 * [0.5])


@pytest.mark.parametrize('strategy', ON_CLOCK)
def test_flood_of_chunks_costs_no_more_than_a_few_and_follows_the_newest(strategy):
    settings = _settings(strategy=strategy)
    course = None
    for index in range(200):
        now_ns = index * MS
        course = taken_over(course, _chunk(index, 50), now_ns, _curve(0.0), settings)
    size = len(getattr(course, 'layers', ())) + len(getattr(course, 'members', ()))
    assert size <= max(MAX_LAYERS + 1, MAX_MEMBERS)
    np.testing.assert_allclose(course.position_at(450 * MS), _curve(0.45), atol=2e-3)


@pytest.mark.parametrize('strategy', ON_CLOCK)
def test_last_of_several_chunks_at_one_moment_counts(strategy):
    executor = ChunkExecutor(ALOHA, _settings(strategy=strategy))
    executor.submit(_constant(0.0, 0), 0, np.zeros(14))
    for value in (5.0, -7.0, 1.0):
        executor.submit(_constant(value, 500), 600 * MS, np.zeros(14))
    course = np.array([executor.target_at(t * MS)[0] for t in range(600, 2500, 10)])
    assert course.min() >= 0.0 and course.max() <= 1.0
    assert course[-1] == pytest.approx(1.0)
    assert executor.next_action(700 * MS)[0] == 1.0


@given(share=st.floats(-2, 3))
def test_smooth_step_rises_from_nought_to_one_and_is_symmetric(share):
    assert 0 <= smooth_step(share) <= 1
    assert smooth_step(share) + smooth_step(1 - share) == pytest.approx(1)
    assert smooth_step(share) <= smooth_step(share + 0.1) + 1e-15


def test_settings_are_values_that_a_running_motion_does_not_share():
    settings = _settings()
    course = taken_over(None, _chunk(0, 50), 0, _curve(0.0), settings)
    before = course.position_at(500 * MS)
    taken_over(course, _chunk(100, 50, 1.0), 300 * MS, _curve(0.0),
               replace(settings, strategy='temporal_ensemble'))
    np.testing.assert_array_equal(course.position_at(500 * MS), before)
