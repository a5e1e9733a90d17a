# SPDX-License-Identifier: Apache-2.0
"""Queries come early enough that motion goes on, and only then."""

from __future__ import annotations

from hypothesis import given, settings as hypothesis_settings, strategies as st
import numpy as np
import pytest
from virtual_loop import MS, VirtualLoop

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.robot.motion_settings import QuerySettings, Strategy
from cosmos_policy_ros.robot.query_schedule import idle_share, QuerySchedule
from cosmos_policy_ros.spec.action import ActionChunk

ASYNC = [Strategy.ASYNC_BLEND, Strategy.TEMPORAL_ENSEMBLE, Strategy.PREFIX_CONDITIONED]
CHUNK_S = 2.0


def _chunk(stamp_ms: int = 0, num_actions: int = 50) -> ActionChunk:
    return ActionChunk(
        positions=np.zeros((num_actions, 14)), stamp_ns=stamp_ms * MS, period_ns=40 * MS)


def _schedule(latency_s: float | None = None, **settings: object) -> QuerySchedule:
    schedule = QuerySchedule(QuerySettings(**settings))
    if latency_s is not None:
        schedule.add_latency(latency_s)
    return schedule


def _loop(strategy: Strategy, latency_s: float, spread: float, seed: int) -> VirtualLoop:
    rng = np.random.default_rng(seed)
    return VirtualLoop(
        strategy, lambda: 1000 * latency_s * rng.uniform(1 - spread, 1 + spread))


@hypothesis_settings(deadline=None, max_examples=10)
@given(strategy=st.sampled_from(ASYNC), latency_s=st.floats(0.05, 0.75), seed=st.integers(0, 99))
def test_arms_never_pause_while_two_delays_and_a_blend_fit_into_a_chunk(
        strategy, latency_s, seed):
    loop = _loop(strategy, latency_s, 0.15, seed)
    assert loop.idle_share(8_000) == 0
    assert not loop.rejections


@pytest.mark.parametrize('strategy, latency_s, expected', [
    (Strategy.BLOCKING, 0.15, 0.111), (Strategy.BLOCKING, 0.95, 0.344),
    (Strategy.BLOCKING, 4.9, 0.714), (Strategy.ASYNC_BLEND, 0.15, 0.0),
    (Strategy.ASYNC_BLEND, 0.95, 0.0), (Strategy.ASYNC_BLEND, 4.9, 0.714)])
def test_share_of_pauses_at_the_delays_of_the_model(strategy, latency_s, expected):
    loop = _loop(strategy, latency_s, 0.02, 0)
    # Blocking stands still for the delay and for the time in which the arms settle.
    assert loop.idle_share(150_000 if latency_s > 2 else 50_000) == pytest.approx(
        expected, abs=0.015)
    assert not loop.rejections


@pytest.mark.parametrize('strategy', [Strategy.BLOCKING, Strategy.ASYNC_BLEND])
@pytest.mark.parametrize('latency_s', [0.3, 0.9, 1.3, 1.7, 3.0])
def test_formula_of_the_pauses_is_what_happens(strategy, latency_s):
    settings = QuerySettings(settle_s=0.02, query_margin_s=1e-6)
    loop = VirtualLoop(strategy, lambda: 1000 * latency_s, query=settings)
    assert loop.idle_share(60_000) == pytest.approx(
        idle_share(strategy, latency_s, CHUNK_S), abs=0.03)


@pytest.mark.parametrize('strategy', list(Strategy))
def test_lost_chunks_delay_the_motion_and_never_end_it(strategy):
    rng = np.random.default_rng(1)
    loop = VirtualLoop(strategy, lambda: rng.uniform(50, 800), loss=lambda: rng.random() < 0.3)
    covered = loop.run(60_000)
    assert sum(covered[-1000:]) > 200


def test_blocking_asks_only_after_the_chunk_was_played_and_the_arms_came_to_rest():
    schedule = _schedule(0.3, strategy='blocking', settle_s=0.25, execution_horizon=5)
    assert schedule.due_ns(_chunk(), 700 * MS) == (700 + 2000 + 250) * MS


@given(delays_s=st.lists(st.floats(0.0, 0.8), min_size=1, max_size=30))
def test_expected_chunk_comes_a_blend_and_a_margin_before_the_old_one_ends(delays_s):
    settings = QuerySettings(latency_window=10)
    schedule = QuerySchedule(settings)
    for delay_s in delays_s:
        schedule.add_latency(delay_s)
    usual_s = [delay_s for delay_s in delays_s[-10:] if delay_s <= 2 * max(delays_s[-3:])]
    expected_s = np.percentile(usual_s, 95)
    arrival_s = schedule.due_ns(_chunk(), 0) / 1e9 + expected_s
    assert arrival_s == pytest.approx(
        CHUNK_S - settings.blend_s - settings.query_margin_s, abs=1e-6)


@pytest.mark.parametrize('num_before', [1, 3, 30])
def test_arms_pause_for_one_slow_answer_and_move_on_without_pauses_three_answers_later(num_before):
    delays_ms = iter([*num_before * [400], 4900])
    loop = VirtualLoop(Strategy.ASYNC_BLEND, lambda: next(delays_ms, 400))
    covered = loop.run(100_000)
    pauses = [tick for tick, is_covered in enumerate(covered) if not is_covered]
    assert (pauses[-1] - pauses[0]) * 0.02 < 4.9 + 3 * (CHUNK_S + 0.1 + 0.4)


@pytest.mark.parametrize('strategy', ASYNC)
def test_each_mode_has_delays_of_its_own(strategy):
    schedule = _schedule(0.4, strategy=strategy)
    schedule.configure(QuerySettings(strategy=strategy, mode='planning'))
    assert schedule.expected_latency_s is None
    schedule.add_latency(4.9)
    assert schedule.expected_latency_s == 4.9 and schedule.problem(_chunk())
    schedule.configure(QuerySettings(strategy=strategy))
    schedule.add_latency(4.8, 'planning')
    assert schedule.expected_latency_s == 0.4, 'a plan that came after the change of mode'
    schedule.reset()
    assert schedule.expected_latency_s is None


def test_unknown_mode_is_refused():
    with pytest.raises(ConfigurationError, match="'fast'"):
        QuerySettings(mode='fast')


def test_horizon_in_steps_counts_from_the_observation():
    schedule = _schedule(0.3, execution_horizon=10)
    assert schedule.due_ns(_chunk(stamp_ms=100), 300 * MS) == 500 * MS


def test_ensemble_asks_at_once():
    assert _schedule(0.3, strategy='temporal_ensemble').due_ns(_chunk(), 300 * MS) == 300 * MS


def test_without_a_chunk_a_query_is_due_at_once():
    assert _schedule().due_ns(None, 5 * MS) == 5 * MS


@pytest.mark.parametrize('strategy', ASYNC)
def test_chunk_that_was_late_as_a_whole_is_played_before_the_next_query(strategy):
    schedule = _schedule(4.9, strategy=strategy.value)
    assert schedule.due_ns(_chunk(), 4900 * MS) == (4900 + 2000 + 100) * MS


def test_delay_beyond_the_chunk_waits_until_the_arms_stand():
    assert _schedule(2.0).due_ns(_chunk(), 300 * MS) == 2100 * MS


def test_problem_tells_the_pauses_to_expect():
    assert _schedule().problem(_chunk()) is None
    assert _schedule(0.9).problem(_chunk()) is None
    assert _schedule(4.9).problem(_chunk()) == (
        'async_blend: chunks of 2.00 s take 4.90 s (allowed: 1.00 s), so the arms pause for 71% '
        'of the time')


def test_pauses_that_blocking_makes_by_intention_are_no_problem():
    assert _schedule(1.9, strategy='blocking').problem(_chunk()) is None
    assert 'pause for 51%' in _schedule(2.1, strategy='blocking').problem(_chunk())


@given(latency_s=st.floats(0.01, 10.0))
def test_no_strategy_pauses_more_than_blocking(latency_s):
    blocking = idle_share(Strategy.BLOCKING, latency_s, CHUNK_S)
    for strategy in ASYNC:
        assert idle_share(strategy, latency_s, CHUNK_S) <= blocking + 1e-12


def test_failures_in_a_row_double_the_pause_up_to_a_limit_and_an_answer_ends_it():
    schedule = _schedule()
    pauses_s = [(schedule.due_after_failure_ns(7 * MS) - 7 * MS) / 1e9 for _ in range(7)]
    assert pauses_s == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    schedule.add_latency(0.3)
    assert schedule.due_after_failure_ns(0) == 250 * MS
    schedule.reset()
    assert schedule.due_after_failure_ns(0) == 250 * MS


def test_changed_settings_keep_the_delays_unless_the_window_changes():
    schedule = _schedule(0.5)
    schedule.configure(QuerySettings(strategy='blocking'))
    assert schedule.expected_latency_s == 0.5
    schedule.configure(QuerySettings(latency_window=5))
    assert schedule.expected_latency_s is None
    schedule.add_latency(0.5)
    schedule.reset()
    assert schedule.expected_latency_s is None


def test_impossible_delays_and_windows_are_refused():
    with pytest.raises(PredictionError, match='-1'):
        _schedule(-1.0)
    with pytest.raises(ConfigurationError, match='window of 0'):
        _schedule(latency_window=0)


def test_share_of_pauses_without_any_delay_is_none():
    assert idle_share(Strategy.ASYNC_BLEND, 0.0, 2.0) == 0.0
