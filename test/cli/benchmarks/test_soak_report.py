# SPDX-License-Identifier: Apache-2.0
"""The report of a long run: failures, memory slopes, and which faults are drawn."""

from dataclasses import replace
from random import Random

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('cosmos_policy_ros.msg')
pytest.importorskip('mujoco')

from cosmos_policy_ros.cli.benchmarks.fault_rehearsal import FaultOutcome  # noqa: E402
from cosmos_policy_ros.cli.benchmarks.soak import (  # noqa: E402
    CASES_OF_SOAK, NODES, random_case, SoakReport)

FINE = FaultOutcome(
    fault='joints_drop', target='both', expected='joint_states_stale',
    reason='joint_states_stale', to_hold_ms=510.0, noticed_to_hold_ms=10.0,
    noticed_to_hold_ticks=1, is_on_diagnostics=True, is_resumed=True, problems=())


def report_of(minutes, slope_mb_per_hour):
    """Return a report whose memory first jumps and then grows steadily."""
    times_s = [30.0 * index for index in range(2 * minutes + 1)]
    memory = [50.0 if index < 5 else 100.0 + slope_mb_per_hour * time_s / 3600
              for index, time_s in enumerate(times_s)]
    return SoakReport(duration_s=60.0 * minutes, times_s=times_s,
                      memory_mb={name: list(memory) for name in NODES})


@pytest.mark.parametrize('slope', [0.0, 24.0])
def test_growth_is_the_slope_after_the_warm_up(slope):
    report = report_of(30, slope)
    assert report.growth_mb_per_hour('arm_node') == pytest.approx(slope, abs=1e-6)
    assert report.as_json()['growth_mb_per_hour']['policy_node'] == pytest.approx(slope, abs=1e-6)


def test_a_run_of_a_moment_claims_no_growth():
    assert SoakReport().growth_mb_per_hour('arm_node') == 0.0


def test_faults_with_problems_are_counted_and_shown():
    report = report_of(1, 0.0)
    report.outcomes += [FINE, replace(FINE, problems=('commands went on by 0.2000 rad',))]
    assert len(report.failures) == 1
    assert report.table().row_count == 10


def test_every_fault_is_drawn_sooner_or_later_the_same_for_the_same_seed():
    drawn = [random_case(Random(seed)) for seed in range(300)]
    assert {case.label for case in drawn} == {case.label for case in CASES_OF_SOAK}
    assert drawn[:20] == [random_case(Random(seed)) for seed in range(20)]
    assert {case.target for case in drawn if case.name == 'joints_nan'} == {
        'follower_left', 'follower_right'}
