# SPDX-License-Identifier: Apache-2.0
"""The benchmark of kills kills real processes and finds what they left."""

from cosmos_policy_ros.cli.benchmarks.kills import measure_kills


def test_killed_recordings_are_recovered_and_finished_ones_not_touched():
    steps = []
    figures = {figure.name: figure for figure in measure_kills(
        count=2, seed=1, latest_s=0.2, on_step=steps.append)}
    assert figures['recordings killed'].value == 2 and figures['of these recovered'].is_met
    assert figures['finished episodes changed'].is_met
    assert figures['lost before the kill, max'].value >= 0.0
    assert steps == ['1 of 2 processes killed', '2 of 2 processes killed']
