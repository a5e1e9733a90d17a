# SPDX-License-Identifier: Apache-2.0
"""The benchmark of exports and imports measures real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording.exchange.conftest import (  # noqa: F401
    installed_messages, robot_messages)
from rich.console import Console

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.cli.benchmarks.exchange import measure_exchange
from cosmos_policy_ros.cli.benchmarks.exchange_material import write_episode
from cosmos_policy_ros.cli.benchmarks.exchange_report import ExchangeReport, ImportCost
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import resample


@pytest.mark.parametrize('is_raw', [False, True])
def test_the_material_is_an_episode_of_every_camera(
        is_raw: bool, tmp_path: Path, robot_messages: None):  # noqa: F811
    preset = load_preset('interbotix')
    path = write_episode(tmp_path, preset, name='episode_0', duration_s=0.5, is_raw=is_raw,
                         image_size=(96, 64))
    steps = list(resample(EpisodeReader(path), preset.robot, preset.names))
    assert len(steps) == 13 and len(steps[0].images) == len(preset.robot.cameras)
    assert steps[5].images['cam_high'].pixels.shape == (64, 96, 3)


def test_exports_and_imports_are_measured(robot_messages: None):  # noqa: F811
    report = measure_exchange(formats=['cosmos_rollout'], imports=['aloha_hdf5'], duration_s=0.3,
                              counts=(1, 2))
    assert [(cost.images, cost.workers) for cost in report.exports] == [
        ('jpeg', 1), ('jpeg', 2), ('raw', 1), ('raw', 2)]
    assert all(cost.processor_s > 0.0 and cost.robot_s == pytest.approx(6 * 0.32)
               for cost in report.exports)
    assert [cost.episodes for cost in report.imports] == [1, 2]
    assert all(50.0 < cost.memory_mb < 2000.0 for cost in report.imports)
    console = Console(width=120, record=True)
    console.print(report.table())
    assert 'cosmos_rollout' in console.export_text()
    assert report.as_json()['exports'][0]['format'] == 'cosmos_rollout'


def test_memory_that_grows_with_the_episodes_is_a_failure():
    def cost(episodes: int, memory_mb: float) -> ImportCost:
        return ImportCost(format='lerobot', episodes=episodes, took_s=1.0, memory_mb=memory_mb)
    report = ExchangeReport(exports=[], imports=[cost(5, 200.0), cost(100, 220.0)])
    assert report.failures == []
    report = ExchangeReport(exports=[], imports=[cost(5, 200.0), cost(100, 300.0)])
    assert report.failures == ['lerobot']
