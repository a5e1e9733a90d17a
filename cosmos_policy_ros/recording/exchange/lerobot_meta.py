# SPDX-License-Identifier: Apache-2.0
"""The `meta/` folder of a LeRobot data set, from what an export has kept of each episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cosmos_policy_ros.recording.durable_file import replace_durably, write_durably
from cosmos_policy_ros.recording.exchange.ledger import Ledger
from cosmos_policy_ros.recording.exchange.lerobot_layout import (
    CHUNK_SIZE, EPISODES_JSONL, EPISODES_PARQUET, EPISODES_STATS_JSONL, IMAGE_PREFIX, INFO,
    LeRobotLayout, STATS, TASKS_JSONL, TASKS_PARQUET)
from cosmos_policy_ros.recording.exchange.lerobot_stats import aggregate, Stats, vector_stats
from cosmos_policy_ros.recording.exchange.video_file import CODEC, PIXEL_FORMAT
from cosmos_policy_ros.spec.aloha import ALOHA

_CLASSIC_STATS = ('min', 'max', 'mean', 'std', 'count')
_DATA_FILES_MB, _VIDEO_FILES_MB = 100, 200


def first_index(ledger: Ledger, number: int) -> int:
    """Return the index in the data set of the first step of an episode."""
    return sum(entry.facts['length'] for entry in ledger.entries[:number])


def task_indices(ledger: Ledger) -> dict[str, int]:
    """Return each task's number, in the order in which they first occur."""
    tasks = dict.fromkeys(entry.facts['task'] for entry in ledger.entries)
    return {task: index for index, task in enumerate(tasks)}


def save_meta(ledger: Ledger, layout: LeRobotLayout) -> None:
    """Write all files of `meta/`; the one that says what the set holds comes last.

    Raises:
        OSError: If the disk refuses.
    """
    root = ledger.path.parent
    (root / INFO).parent.mkdir(parents=True, exist_ok=True)
    stats = [_episode_stats(ledger, number) for number in range(len(ledger.entries))]
    write = _save_lists if layout.version == 'v2.1' else _save_tables
    write(root, ledger, layout, stats)
    write_durably(root / INFO, json.dumps(_info(ledger, layout), indent=4) + '\n')


def _episode_stats(ledger: Ledger, number: int) -> dict[str, Stats]:
    facts = ledger.entries[number].facts
    frames = np.arange(facts['length'])[:, None]
    counted = {
        'next.done': frames == len(frames) - 1,
        'timestamp': frames / ledger.settings['rate_hz'], 'frame_index': frames,
        'episode_index': np.full_like(frames, number),
        'index': frames + first_index(ledger, number),
        'task_index': np.full_like(frames, task_indices(ledger)[facts['task']])}
    return {**facts['stats'], **{name: vector_stats(rows) for name, rows in counted.items()}}


def _save_lists(
    root: Path, ledger: Ledger, layout: LeRobotLayout, stats: Sequence[Mapping[str, Stats]],
) -> None:
    _write_lines(root / TASKS_JSONL, [{'task_index': index, 'task': task}
                                      for task, index in task_indices(ledger).items()])
    _write_lines(root / EPISODES_JSONL, [
        {'episode_index': number, 'tasks': [entry.facts['task']],
         'length': entry.facts['length'], **_label(entry.facts)}
        for number, entry in enumerate(ledger.entries)])
    _write_lines(root / EPISODES_STATS_JSONL, [
        {'episode_index': number, 'stats': {
            feature: {name: values[name] for name in _CLASSIC_STATS}
            for feature, values in episode.items()}}
        for number, episode in enumerate(stats)])


def _save_tables(
    root: Path, ledger: Ledger, layout: LeRobotLayout, stats: Sequence[Mapping[str, Stats]],
) -> None:
    write_durably(root / STATS, json.dumps(aggregate(stats), indent=4) + '\n')
    tasks = task_indices(ledger)
    _write_table(root / TASKS_PARQUET, _indexed_by_text(tasks))
    _write_table(root / EPISODES_PARQUET, pa.Table.from_pylist([
        _episode_row(ledger, number, stats[number]) for number in range(len(ledger.entries))]))


def _episode_row(
    ledger: Ledger, number: int, stats: Mapping[str, Stats],
) -> dict[str, Any]:
    facts = ledger.entries[number].facts
    chunk, place = divmod(number, CHUNK_SIZE)
    first = first_index(ledger, number)
    row = {'episode_index': number, 'tasks': [facts['task']], 'length': facts['length'],
           **_label(facts), 'data/chunk_index': chunk, 'data/file_index': place,
           'dataset_from_index': first, 'dataset_to_index': first + facts['length'],
           'meta/episodes/chunk_index': 0, 'meta/episodes/file_index': 0}
    for camera in facts['cameras']:
        video = f'videos/{IMAGE_PREFIX}{camera}'
        row |= {f'{video}/chunk_index': chunk, f'{video}/file_index': place,
                f'{video}/from_timestamp': 0.0,
                f'{video}/to_timestamp': facts['length'] / ledger.settings['rate_hz']}
    return row | {f'stats/{feature}/{name}': value
                  for feature, values in stats.items() for name, value in values.items()}


def _label(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ('outcome', 'success_score', 'note')}


def _info(ledger: Ledger, layout: LeRobotLayout) -> dict[str, Any]:
    entries = ledger.entries
    cameras = entries[0].facts['cameras']
    info: dict[str, Any] = {
        'codebase_version': layout.version, 'robot_type': 'aloha',
        'total_episodes': len(entries), 'total_frames': first_index(ledger, len(entries)),
        'total_tasks': len(task_indices(ledger)), 'chunks_size': CHUNK_SIZE,
        'fps': _whole(ledger.settings['rate_hz']), 'splits': {'train': f'0:{len(entries)}'},
        'data_path': layout.data_path, 'video_path': layout.video_path,
        'features': _features(ledger)}
    if layout.version == 'v2.1':
        return info | {'total_videos': len(entries) * len(cameras),
                       'total_chunks': -(-len(entries) // CHUNK_SIZE)}
    return info | {'data_files_size_in_mb': _DATA_FILES_MB,
                   'video_files_size_in_mb': _VIDEO_FILES_MB}


def _features(ledger: Ledger) -> dict[str, Any]:
    facts = ledger.entries[0].facts
    rate_hz = _whole(ledger.settings['rate_hz'])
    vectors = {name: {'dtype': 'float32', 'shape': [ALOHA.num_joints],
                      'names': {'motors': list(ALOHA.joint_names)}}
               for name in facts['vectors']}
    videos = {f'{IMAGE_PREFIX}{camera}': _video_feature(height, width, rate_hz)
              for camera, (height, width) in facts['cameras'].items()}
    scalars = {name: {'dtype': dtype, 'shape': [1], 'names': None} for name, dtype in (
        ('next.done', 'bool'), ('timestamp', 'float32'), ('frame_index', 'int64'),
        ('episode_index', 'int64'), ('index', 'int64'), ('task_index', 'int64'))}
    return {**vectors, **videos, **scalars}


def _video_feature(height: int, width: int, rate_hz: float) -> dict[str, Any]:
    return {
        'dtype': 'video', 'shape': [height, width, 3], 'names': ['height', 'width', 'channels'],
        'info': {'video.height': height, 'video.width': width, 'video.codec': CODEC,
                 'video.pix_fmt': PIXEL_FORMAT, 'video.is_depth_map': False,
                 'video.fps': rate_hz, 'video.channels': 3, 'has_audio': False}}


def _whole(rate_hz: float) -> float | int:
    return int(rate_hz) if float(rate_hz).is_integer() else rate_hz


def _indexed_by_text(tasks: Mapping[str, int]) -> pa.Table:
    """Return the table that pandas reads back as one with the tasks as its index."""
    index = '__index_level_0__'
    pandas = {
        'index_columns': [index],
        'column_indexes': [{'name': None, 'field_name': None, 'pandas_type': 'unicode',
                            'numpy_type': 'object', 'metadata': {'encoding': 'UTF-8'}}],
        'columns': [{'name': 'task_index', 'field_name': 'task_index', 'pandas_type': 'int64',
                     'numpy_type': 'int64', 'metadata': None},
                    {'name': None, 'field_name': index, 'pandas_type': 'unicode',
                     'numpy_type': 'object', 'metadata': None}],
        'creator': {'library': 'pyarrow', 'version': pa.__version__},
        'pandas_version': '2.0.0'}
    table = pa.table({'task_index': pa.array(list(tasks.values()), pa.int64()),
                      index: pa.array(list(tasks))})
    return table.replace_schema_metadata({'pandas': json.dumps(pandas)})


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    write_durably(path, ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows))


def _write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, partial(pq.write_table, table))
