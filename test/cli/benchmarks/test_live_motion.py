# SPDX-License-Identifier: Apache-2.0
"""The report of live motions: one column each, units told, and what disturbed them."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
import json

import pytest
from rich.console import Console

pytest.importorskip('rclpy')
pytest.importorskip('cosmos_policy_ros.msg')
pytest.importorskip('mujoco')

from cosmos_policy_ros.cli.benchmarks.live_motion import (  # noqa: E402
    LiveMotion, LiveMotionReport)
from cosmos_policy_ros.evaluation.motion_figures import MotionFigures  # noqa: E402
from cosmos_policy_ros.robot.motion_settings import Strategy  # noqa: E402

BLENDED = LiveMotion(
    policy='sway', strategy=Strategy.ASYNC_BLEND, asked_latency_s=0.95, least_idle_share=0.0,
    figures=MotionFigures(
        chunks=16, latency_s=0.98, idle_share=0.045, takeover=(0.01, 0.162), inside=(0.01, 0.278),
        disagreement_rad=0.0123, jerk_rms=162.4, tracking_rms_rad=0.0466),
    jitter_ms=(0.19, 3.931, 31.27), arm_cores=0.222, arm_memory_mb=86.4, disturbance='')
BLOCKED = replace(
    BLENDED, strategy=Strategy.BLOCKING, disturbance='images_stale: [cam_high] 0.6 s',
    figures=replace(BLENDED.figures, takeover=None, disagreement_rad=None, idle_share=None))


def _lines(*motions: LiveMotion) -> dict[str, str]:
    console = Console(width=200, file=StringIO())
    console.print(LiveMotionReport(motions=motions).table())
    rows = [line.split('│') for line in console.file.getvalue().splitlines()]
    return {row[1].strip(): '|'.join(cell.strip() for cell in row[2:-1])
            for row in rows if len(row) > 2}


def test_every_figure_is_told_with_its_unit_and_none_where_there_is_none():
    lines = _lines(BLOCKED, BLENDED)
    assert lines['latency, median [s]'] == '0.98|0.98'
    assert lines['time without motion'] == '–|4.5%'
    assert lines['speed step at takeovers, p99 [rad/s]'] == '–|0.162'
    assert lines['gap of old and new chunk, median [mrad]'] == '–|12.3'
    jitter = '0.19 / 3.93 / 31.27'
    assert lines['control jitter, median / p99 / max [ms]'] == f'{jitter}|{jitter}'
    assert lines['disturbed by'] == 'images_stale: [cam_high] 0.6 s|–'


def test_only_undisturbed_motions_are_no_failures_and_all_go_into_the_file():
    report = LiveMotionReport(motions=(BLOCKED, BLENDED))
    assert report.failures == [BLOCKED]
    first, second = json.loads(json.dumps(report.as_json()))
    assert (first['strategy'], second['strategy']) == ('blocking', 'async_blend')
    assert second['figures']['idle_share'] == 0.045
