# SPDX-License-Identifier: Apache-2.0
"""LeRobot 2.1 as its readers expect it, read by JSON, pyarrow and PyAV and nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from recording.exchange.conftest import SHORT, source_of, steps_of

from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.resample import ResampleSettings

TASKS = ('put the red cube into the cup', 'fold it')
CAMERAS = [f'observation.images.{name}'
           for name in ('cam_high', 'cam_left_wrist', 'cam_right_wrist')]
# What LeRobot itself adds to the features of every data set.
COUNTED = {'timestamp': 'float32', 'frame_index': 'int64', 'episode_index': 'int64',
           'index': 'int64', 'task_index': 'int64'}


@pytest.fixture(scope='module')
def episodes(write_episode: Callable[..., Path],
             tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two episodes of different tasks and lengths."""
    folder = tmp_path_factory.mktemp('two')
    return [write_episode(folder, replace(SHORT, duration_s=0.4 * (number + 1), task=task))
            for number, task in enumerate(TASKS)]


@pytest.fixture(scope='module')
def root(episodes: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the data set."""
    folder = tmp_path_factory.mktemp('set')
    result = run_export([source_of(path) for path in episodes], folder,
                        LeRobotExporter(version='v2.1'), ResampleSettings())
    assert result.written == 2
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


@pytest.fixture(scope='module')
def info(root: Path) -> dict[str, Any]:
    """Return the content of `meta/info.json`."""
    return json.loads((root / 'meta/info.json').read_text())


def test_info_counts_what_is_there_and_says_where(root: Path, info: dict[str, Any]):
    rows = lines(root / 'meta/episodes.jsonl')
    frames = sum(row['length'] for row in rows)
    assert {name: info[name] for name in (
        'codebase_version', 'robot_type', 'total_episodes', 'total_frames', 'total_tasks',
        'total_videos', 'total_chunks', 'chunks_size', 'fps', 'splits', 'data_path',
        'video_path')} == {
            'codebase_version': 'v2.1', 'robot_type': 'aloha', 'total_episodes': 2,
            'total_frames': frames, 'total_tasks': 2, 'total_videos': 6, 'total_chunks': 1,
            'chunks_size': 1000, 'fps': 25, 'splits': {'train': '0:2'},
            'data_path': 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
            'video_path': 'videos/chunk-{episode_chunk:03d}/{video_key}/'
                          'episode_{episode_index:06d}.mp4'}
    assert {str(path.relative_to(root)) for path in root.rglob('*') if path.is_file()} == {
        'export.json', *(f'meta/{name}' for name in (
            'info.json', 'tasks.jsonl', 'episodes.jsonl', 'episodes_stats.jsonl')),
        *(info['data_path'].format(episode_chunk=0, episode_index=number) for number in (0, 1)),
        *(info['video_path'].format(episode_chunk=0, episode_index=number, video_key=camera)
          for number in (0, 1) for camera in CAMERAS)}


def test_tasks_and_episodes_are_numbered_from_zero(root: Path):
    assert lines(root / 'meta/tasks.jsonl') == [
        {'task_index': index, 'task': task} for index, task in enumerate(TASKS)]
    rows = lines(root / 'meta/episodes.jsonl')
    assert [(row['episode_index'], row['tasks'], row['length']) for row in rows] == [
        (0, [TASKS[0]], 11), (1, [TASKS[1]], 21)]


def test_tables_have_the_columns_that_info_tells(
        root: Path, info: dict[str, Any], episodes: list[Path]):
    first = 0
    for number in (0, 1):
        table = pq.read_table(
            root / info['data_path'].format(episode_chunk=0, episode_index=number))
        assert set(table.column_names) == {
            name for name, feature in info['features'].items() if feature['dtype'] != 'video'}
        steps, length = list(steps_of(episodes[number])), table.num_rows
        for name, dtype in COUNTED.items():
            assert info['features'][name] == {'dtype': dtype, 'shape': [1], 'names': None}
            assert table[name].to_numpy().dtype == dtype
        # LeRobot refuses a data set whose stamps are off by more than 0.1 ms.
        np.testing.assert_allclose(table['timestamp'].to_numpy(), np.arange(length) / 25,
                                   atol=1e-5)
        assert table['frame_index'].to_pylist() == list(range(length))
        assert table['index'].to_pylist() == list(range(first, first + length))
        assert set(table['episode_index'].to_pylist()) == set(table['task_index'].to_pylist()) == {
            number}
        for name, field in (('observation.state', 'positions'), ('action', 'action')):
            assert (info['features'][name]['dtype'], info['features'][name]['shape']) == (
                'float32', [14])
            np.testing.assert_array_equal(
                np.array(table[name].to_pylist(), np.float32),
                [getattr(step, field) for step in steps])
        first += length


def test_videos_have_a_frame_per_row_at_its_time(
        root: Path, info: dict[str, Any], episodes: list[Path]):
    for camera in CAMERAS:
        feature = info['features'][camera]
        assert (feature['shape'], feature['names']) == (
            [48, 64, 3], ['height', 'width', 'channels'])
        with av.open(str(root / info['video_path'].format(
                episode_chunk=0, episode_index=1, video_key=camera))) as container:
            stream = container.streams.video[0]
            codec, pixel_format = stream.codec_context.name, stream.codec_context.pix_fmt
            frames = [(float(frame.time), frame.to_ndarray(format='rgb24'))
                      for frame in container.decode(stream)]
        assert (codec, pixel_format) == (
            feature['info']['video.codec'], feature['info']['video.pix_fmt'])
        np.testing.assert_allclose(
            [time_s for time_s, _ in frames], np.arange(21) / 25, atol=1e-4)
        shown = next(iter(steps_of(episodes[1]))).images[camera.rpartition('.')[2]].pixels
        assert np.abs(frames[0][1].astype(int) - shown).mean() < 6.0


def test_every_episode_has_the_statistics_that_are_aggregated_on_loading(
        root: Path, info: dict[str, Any], episodes: list[Path]):
    rows = lines(root / 'meta/episodes_stats.jsonl')
    assert [row['episode_index'] for row in rows] == [0, 1]
    for number, row in enumerate(rows):
        assert set(row['stats']) == set(info['features'])
        for name, stats in row['stats'].items():
            assert set(stats) == {'min', 'max', 'mean', 'std', 'count'}
            shape = (3, 1, 1) if name in CAMERAS else tuple(info['features'][name]['shape'])
            assert all(np.shape(stats[kind]) == shape for kind in ('min', 'max', 'mean', 'std'))
            assert np.shape(stats['count']) == (1,)
        actions = np.array([step.action for step in steps_of(episodes[number])], np.float64)
        np.testing.assert_allclose(row['stats']['action']['mean'], actions.mean(0), atol=1e-6)
        np.testing.assert_allclose(row['stats']['action']['std'], actions.std(0), atol=1e-6)
        assert row['stats']['action']['count'] == [len(actions)]
        assert all(0.0 <= value <= 1.0 for value in np.ravel(row['stats'][CAMERAS[0]]['max']))
        for camera in CAMERAS:
            sampled = [step.images[camera.rpartition('.')[2]].pixels
                       for step in steps_of(episodes[number]) if step.index % 10 == 0]
            # Extremes are those of the video, whose colours are halved and bleed at edges.
            for kind, atol in (('mean', 0.02), ('std', 0.03)):
                np.testing.assert_allclose(
                    np.ravel(row['stats'][camera][kind]),
                    getattr(np, kind)(np.array(sampled) / 255.0, axis=(0, 1, 2)), atol=atol)
