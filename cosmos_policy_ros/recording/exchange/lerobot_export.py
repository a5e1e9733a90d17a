# SPDX-License-Identifier: Apache-2.0
"""Export to LeRobot data sets, versions 2.1 and 3.0: tables, videos, statistics."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import replace_durably
from cosmos_policy_ros.recording.exchange.exporter import (
    check_name_is_free, episode_facts, move)
from cosmos_policy_ros.recording.exchange.ledger import Ledger
from cosmos_policy_ros.recording.exchange.lerobot_layout import (
    ACTION, EFFORT, IMAGE_PREFIX, LAYOUTS, LeRobotLayout, STATE, VELOCITY)
from cosmos_policy_ros.recording.exchange.lerobot_meta import first_index, save_meta, task_indices
from cosmos_policy_ros.recording.exchange.lerobot_stats import ImageStats, vector_stats
from cosmos_policy_ros.recording.exchange.video_file import VideoFileWriter
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.spec.aloha import ALOHA

_TABLE = 'frames.parquet'
# LeRobot's own: an image read at random decodes at most one more.
_GOP = 2
_STATS_EVERY = 10
_VECTORS = {STATE: 'positions', VELOCITY: 'velocities', EFFORT: 'efforts', ACTION: 'action'}


@dataclass(frozen=True, kw_only=True)
class LeRobotExporter:
    """Writes a LeRobot data set. Every file holds one episode, so that a set can grow.

    Attributes:
        cameras: Cameras to write; all that were recorded if empty.
        version: `v3.0` or `v2.1`.
        quantiser: That of the videos, 0 to 51: 0 is lossless. Below the default the bytes and the
            time go into the noise of the sensor.
    """

    cameras: tuple[str, ...] = ()
    version: str = 'v3.0'
    quantiser: int = 26

    @property
    def format_name(self) -> str:
        """Name of the format on the command line."""
        return {'v3.0': 'lerobot_v3', 'v2.1': 'lerobot_v21'}[self.version]

    def write(self, episode: SteppedEpisode, folder: Path) -> dict[str, Any]:
        """Write an episode, see `Exporter`."""
        rows: dict[str, list[np.ndarray | None]] = {name: [] for name in _VECTORS}
        images = {camera: ImageStats() for camera in episode.cameras}
        step = None
        with ExitStack() as stack:
            videos = {camera: stack.enter_context(VideoFileWriter(
                folder / f'{camera}.mp4', episode.rate_hz, gop=_GOP, quantiser=self.quantiser))
                for camera in episode.cameras}
            for step in episode:
                _add(step, rows, images, videos)
        facts = episode_facts(episode, step)
        vectors = {name: np.array(values, np.float32) for name, values in rows.items()
                   if all(value is not None for value in values)}
        pq.write_table(_table(vectors, episode), folder / _TABLE)
        label = episode.metadata.label
        return {**facts, 'vectors': list(vectors), 'outcome': label.outcome.value,
                'success_score': label.score, 'note': label.note, 'source': episode.name,
                'stats': {**{name: vector_stats(values) for name, values in vectors.items()},
                          **{f'{IMAGE_PREFIX}{camera}': stats.result()
                             for camera, stats in images.items()}}}

    def check(self, facts: dict[str, Any], ledger: Ledger) -> None:
        """Refuse an episode with other features, see `Exporter`."""
        first = ledger.entries[0].facts if ledger.entries else facts
        for name in ('cameras', 'vectors'):
            if facts[name] != first[name]:
                raise RecordingError(
                    f'episode {facts["source"]} has {name} {facts[name]}, the first of the data '
                    f'set has {first[name]}; all must have the same, see --cameras')
        number = len(ledger.entries)
        check_name_is_free(ledger.path.parent / self._layout.data_file(number))

    def place(self, folder: Path, number: int, ledger: Ledger) -> None:
        """Number the rows of the table, then move all, see `Exporter`."""
        output, entry = ledger.path.parent, ledger.entries[number]
        if (folder / _TABLE).exists():
            replace_durably(folder / _TABLE, partial(pq.write_table, _numbered(
                pq.read_table(folder / _TABLE), number,
                first_index(ledger, number), task_indices(ledger)[entry.facts['task']])))
            move(folder / _TABLE, output / self._layout.data_file(number))
        for camera in entry.facts['cameras']:
            move(folder / f'{camera}.mp4',
                 output / self._layout.video_file(number, f'{IMAGE_PREFIX}{camera}'))

    def finish(self, ledger: Ledger) -> None:
        """Write `meta/`, see `Exporter`."""
        save_meta(ledger, self._layout)

    @property
    def _layout(self) -> LeRobotLayout:
        return LAYOUTS[self.version]


def _add(
    step: Step, rows: dict[str, list[np.ndarray | None]], images: dict[str, ImageStats],
    videos: dict[str, VideoFileWriter],
) -> None:
    for name, field in _VECTORS.items():
        rows[name].append(getattr(step, field))
    for camera, image in step.images.items():
        frame = videos[camera].add(image)
        if step.index % _STATS_EVERY == 0:
            # A second decoding of the JPEG would cost as much as a frame of the video.
            images[camera].add(frame.to_ndarray(format='rgb24'))


def _table(vectors: dict[str, np.ndarray], episode: SteppedEpisode) -> pa.Table:
    length = len(vectors[ACTION])
    times_s = np.array([index / episode.rate_hz for index in range(length)], np.float32)
    columns = {name: pa.FixedSizeListArray.from_arrays(
        pa.array(values.reshape(-1)), ALOHA.num_joints) for name, values in vectors.items()}
    return pa.table({
        **columns, 'next.done': pa.array(np.arange(length) == length - 1),
        'timestamp': pa.array(times_s), 'frame_index': pa.array(np.arange(length))})


def _numbered(table: pa.Table, number: int, first: int, task_index: int) -> pa.Table:
    length = table.num_rows
    for name, values in (('episode_index', np.full(length, number)),
                         ('index', np.arange(first, first + length)),
                         ('task_index', np.full(length, task_index))):
        # It is there already if an interruption came before the move.
        if name in table.column_names:
            table = table.drop_columns([name])
        table = table.append_column(name, pa.array(values, pa.int64()))
    return table
