# SPDX-License-Identifier: Apache-2.0
"""LeRobot's own loader reads what is exported, where it is installed beside our versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recording.exchange.conftest import source_of, steps_of

from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.resample import ResampleSettings


def test_lerobot_reads_joints_task_and_statistics(
        episode: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    loader = pytest.importorskip('lerobot.datasets.lerobot_dataset', exc_type=ImportError)
    run_export([source_of(episode)], tmp_path / 'set', LeRobotExporter(), ResampleSettings())
    data = loader.LeRobotDataset('local/set', root=tmp_path / 'set')
    steps = list(steps_of(episode))
    assert (len(data), data.meta.fps, data.meta.total_episodes) == (len(steps), 25, 1)
    row = data.hf_dataset[7]
    np.testing.assert_array_equal(row['observation.state'], steps[7].positions)
    np.testing.assert_array_equal(row['action'], steps[7].action)
    assert data.meta.tasks.index[0] == 'put the red cube into the cup'
    np.testing.assert_allclose(
        data.meta.stats['action']['mean'], np.mean([step.action for step in steps], 0), atol=1e-6)
