# SPDX-License-Identifier: Apache-2.0
"""Episode to data format to episode: nothing is lost but what a codec loses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recording.exchange.conftest import check_same, source_of, steps_of, target_of

from cosmos_policy_ros.recording.exchange.aloha_export import AlohaExporter
from cosmos_policy_ros.recording.exchange.cosmos_export import (
    CosmosExporter, CosmosRolloutExporter)
from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.formats import open_episodes
from cosmos_policy_ros.recording.exchange.import_run import run_import
from cosmos_policy_ros.recording.exchange.importer import ImportOptions
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import ResampleSettings

JPEG_ERROR, VIDEO_ERROR = 3.0, 6.0


@pytest.mark.parametrize('exporter, import_format, pixel_error', [
    (AlohaExporter(), 'aloha_hdf5', JPEG_ERROR),
    (AlohaExporter(compress=False), 'aloha_hdf5', JPEG_ERROR),
    (CosmosExporter(), 'cosmos', VIDEO_ERROR),
    (CosmosRolloutExporter(), 'cosmos', JPEG_ERROR),
    (CosmosRolloutExporter(images='mp4'), 'cosmos', VIDEO_ERROR),
    (LeRobotExporter(version='v3.0'), 'lerobot', VIDEO_ERROR),
    (LeRobotExporter(version='v2.1'), 'lerobot', VIDEO_ERROR),
], ids=['aloha', 'aloha-plain', 'cosmos', 'rollout-jpeg', 'rollout-mp4', 'lerobot-v3',
        'lerobot-v21'])
def test_an_episode_survives_the_way_through_a_format(
        exporter: Any, import_format: Any, pixel_error: float, episode: Path, tmp_path: Path,
        robot_messages: None):
    exported = run_export([source_of(episode)], tmp_path / 'out', exporter, ResampleSettings())
    assert (exported.written, exported.refused) == (1, {})
    imported = run_import(open_episodes(tmp_path / 'out', import_format, ImportOptions()),
                          target_of(tmp_path / 'back'))
    assert (imported.written, imported.refused) == (1, {})
    [back] = (tmp_path / 'back').iterdir()
    count = check_same(steps_of(episode), steps_of(back), pixel_error=pixel_error)
    assert count == exported.steps == imported.steps == 31
    before, after = EpisodeReader(episode).metadata, EpisodeReader(back).metadata
    assert (after.task, after.label) == (before.task, before.label)
