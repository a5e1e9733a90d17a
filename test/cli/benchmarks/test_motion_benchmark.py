# SPDX-License-Identifier: Apache-2.0
"""The comparison of strategies as a table and as JSON."""

from __future__ import annotations

from io import StringIO
import json

import numpy as np
import pytest
from rich.console import Console

from cosmos_policy_ros.cli.benchmarks.motion import motion_table, MotionRow
from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries
from cosmos_policy_ros.evaluation.motion_trial import MotionTrial
from cosmos_policy_ros.robot.motion_settings import Strategy


def _row(strategy: Strategy, **figures: object) -> MotionRow:
    nothing = {'takeover': None, 'inside': None, 'disagreement_rad': None, 'idle_share': None,
               'jerk_rms': None, 'is_success': False}
    return MotionRow(
        chunks='expert', is_task=True, least_idle_share=0.25, trial=MotionTrial(
            strategy=strategy, latency_s=1.5, seed=4, duration_s=9.0, chunks=3, rejected=1,
            series=EpisodeSeries(
                start_ns=0, duration_s=9.0, control_times_s=np.empty(0), joints=(), chunks=(),
                arm_status=(), simulation_status=(), refused_samples=0),
            **{**nothing, **figures}))


@pytest.fixture
def rows() -> list[MotionRow]:
    """A trial with everything and one with nothing to tell."""
    return [_row(Strategy.ASYNC_BLEND, takeover=(0.0258, 0.114), inside=(0.0275, 0.136),
                 disagreement_rad=0.031, idle_share=0.3, jerk_rms=84.4, is_success=True),
            _row(Strategy.BLOCKING)]


def test_the_table_shows_every_figure_and_marks_what_is_missing(rows):
    console = Console(width=200, file=StringIO())
    console.print(motion_table(rows))
    full, empty = [line for line in console.file.getvalue().splitlines() if '1.5 s' in line]
    for text in ('async_blend', '30.0%', '25.0%', '31.0', '25.8 / 27.5', '0.114 / 0.136', '84',
                 'done'):
        assert text in full
    assert '– / –' in empty and 'not done' in empty


def test_the_json_holds_the_same(rows):
    full, empty = json.loads(json.dumps([row.as_json() for row in rows]))
    assert full['takeover'] == {
        'position_step_p99_rad': 0.0258, 'speed_step_p99_rad_s': 0.114}
    assert (full['idle_share'], full['least_idle_share'], full['rejected']) == (0.3, 0.25, 1)
    assert empty['strategy'] == 'blocking' and empty['inside'] is None
