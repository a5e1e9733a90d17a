# SPDX-License-Identifier: Apache-2.0
"""Import of LeRobot data sets, versions 2.1 and 3.0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.exchange.importer import (
    choose_rate, choose_task, Images, ImportOptions, VectorRows)
from cosmos_policy_ros.recording.exchange.joint_order import camera_name, joint_indices
from cosmos_policy_ros.recording.exchange.lerobot_layout import (
    ACTION, EFFORT, EPISODES_JSONL, IMAGE_PREFIX, INFO, layout_of, STATE, VELOCITY)
from cosmos_policy_ros.recording.exchange.video_file import read_video
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.recording.step_image import StepImage
from cosmos_policy_ros.spec.aloha import ALOHA

_USUAL_RATE_HZ = 50.0


@dataclass(frozen=True, kw_only=True)
class _DataSet:
    """What `meta/info.json` says, and how it is to be read."""

    root: Path
    info: Mapping[str, Any]
    options: ImportOptions
    rate_hz: Fraction

    @property
    def image_keys(self) -> dict[str, str]:
        """Our camera to its feature."""
        return {camera_name(key.removeprefix(IMAGE_PREFIX), str(self.root / INFO)): key
                for key, feature in self.info['features'].items()
                if feature['dtype'] in ('video', 'image')}


def lerobot_episodes(path: Path, options: ImportOptions) -> Iterator[SteppedEpisode]:
    """Iterate over the episodes of a data set.

    Args:
        path: Its folder, the one that holds `meta/`.
        options: What the data set may not say itself.

    Raises:
        RecordingError: If it is no data set of a known version, or not of an ALOHA. While
            iterating: if an episode cannot be read; the text names the file and what is wrong.
    """
    info = _read_json(path / INFO)
    place = str(path / INFO)
    layout_of(info, place)
    missing = [name for name in (STATE, ACTION) if name not in info.get('features', {})]
    if missing:
        raise RecordingError(f'{place}: features lack {", ".join(missing)}')
    rate_hz = choose_rate(info.get('fps'), options, _USUAL_RATE_HZ, f'{place}: fps')
    data_set = _DataSet(root=path, info=info, options=options, rate_hz=rate_hz)
    if not data_set.image_keys:
        raise RecordingError(f'{place}: no feature is a camera')
    return (_open_episode(data_set, row) for row in _episode_rows(data_set))


def _open_episode(data_set: _DataSet, row: Mapping[str, Any]) -> SteppedEpisode:
    number, length = row['episode_index'], row['length']
    table = _data_path(data_set, row)
    rows = _read_rows(data_set, table, number, length)
    metadata = EpisodeMetadata(
        task=choose_task((row.get('tasks') or [''])[0], data_set.options, str(table)),
        robot='interbotix', mode=data_set.options.mode, software_version='',
        started_ns=table.stat().st_mtime_ns, label=_label(row, data_set.options))
    return SteppedEpisode(
        name=f'episode_{number:06d}', metadata=metadata, rate_hz=data_set.rate_hz,
        cameras=tuple(data_set.image_keys), duration_s=float(length / data_set.rate_hz),
        read=lambda: _read_steps(data_set, row, rows, metadata.started_ns))


def _label(row: Mapping[str, Any], options: ImportOptions) -> EpisodeLabel:
    if 'outcome' not in row:
        return options.label
    return EpisodeLabel(outcome=row['outcome'], score=row.get('success_score'),
                        note=row.get('note') or '')


def _read_steps(data_set: _DataSet, row: Mapping[str, Any], rows: VectorRows,
                start_ns: int) -> Iterator[Step]:
    streams = {camera: _images(data_set, row, key)
               for camera, key in data_set.image_keys.items()}
    together: Images = (dict(zip(streams, shown)) for shown in zip(*streams.values(), strict=True))
    return rows.steps(together, start_ns, data_set.rate_hz)


def _images(
    data_set: _DataSet, row: Mapping[str, Any], key: str,
) -> Iterator[StepImage]:
    is_swapped = data_set.options.swap_red_blue
    if data_set.info['features'][key]['dtype'] == 'image':
        for batch in _batches(_data_path(data_set, row), row['episode_index'], [key]):
            for cell in batch.column(0).to_pylist():
                yield StepImage(0, encoded=cell['bytes'], is_swapped=is_swapped)
        return
    start_s = row.get(f'videos/{key}/from_timestamp', 0.0)
    for pixels in read_video(_video_path(data_set, row, key), start_s=start_s,
                             num_frames=row['length']):
        yield StepImage(0, pixels=pixels[..., ::-1] if is_swapped else pixels)


def _read_rows(data_set: _DataSet, table: Path, number: int, length: int) -> VectorRows:
    features = data_set.info['features']
    found = {}
    for name in (STATE, VELOCITY, EFFORT, ACTION):
        if name in features:
            place = f'{data_set.root / INFO}: features[{name!r}]'
            indices = joint_indices(
                _joint_names(features[name]), data_set.options.joint_order, place)
            found[name] = _read_vectors(table, number, length, name)[:, indices]
    return VectorRows(positions=found[STATE], action=found[ACTION],
                      velocities=found.get(VELOCITY), efforts=found.get(EFFORT))


def _read_vectors(table: Path, number: int, length: int, name: str) -> np.ndarray:
    columns = [np.array(batch.column(0).to_pylist(), np.float32)
               for batch in _batches(table, number, [name])]
    values = np.concatenate(columns) if columns else np.zeros((0, 0), np.float32)
    if values.shape != (length, ALOHA.num_joints):
        raise RecordingError(f'{table}: {name} of episode {number} has shape {values.shape}; '
                             f'expected {(length, ALOHA.num_joints)}')
    if not np.isfinite(values).all():
        raise RecordingError(f'{table}: {name} of episode {number} is not finite')
    return values


def _batches(table: Path, number: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read the rows of an episode a few at a time, in the order of the file."""
    try:
        yield from (batch for batch in pads.dataset(table, format='parquet').to_batches(
            columns=columns, filter=pads.field('episode_index') == number, batch_size=256,
            use_threads=False) if batch.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise RecordingError(f'cannot read {table}: {error}') from error


def _joint_names(feature: Mapping[str, Any]) -> list[str] | None:
    """Names of a vector, which data sets give as a list, nested in one, or under a key."""
    names = feature.get('names')
    if isinstance(names, Mapping):
        names = next(iter(names.values()))
    if isinstance(names, list) and len(names) == 1 and isinstance(names[0], list):
        names = names[0]
    return names


def _data_path(data_set: _DataSet, row: Mapping[str, Any]) -> Path:
    return data_set.root / data_set.info['data_path'].format(**_places(
        data_set, row, row.get('data/chunk_index'), row.get('data/file_index')))


def _video_path(data_set: _DataSet, row: Mapping[str, Any], key: str) -> Path:
    return data_set.root / data_set.info['video_path'].format(video_key=key, **_places(
        data_set, row, row.get(f'videos/{key}/chunk_index'), row.get(f'videos/{key}/file_index')))


def _places(
    data_set: _DataSet, row: Mapping[str, Any], chunk: int | None, file: int | None,
) -> dict[str, int | None]:
    number = row['episode_index']
    return {'episode_chunk': number // data_set.info.get('chunks_size', 1000),
            'episode_index': number, 'chunk_index': chunk, 'file_index': file}


def _episode_rows(data_set: _DataSet) -> Iterator[dict[str, Any]]:
    if data_set.info['codebase_version'] == 'v2.1':
        path = data_set.root / EPISODES_JSONL
        try:
            with path.open(encoding='utf-8') as file:
                yield from (json.loads(line) for line in file if line.strip())
        except (OSError, ValueError) as error:
            raise RecordingError(f'cannot read {path}: {error}') from error
        return
    tables = sorted((data_set.root / 'meta/episodes').glob('*/*.parquet'))
    if not tables:
        raise RecordingError(f'{data_set.root} has no meta/episodes/*/*.parquet')
    for table in tables:
        schema = pads.dataset(table).schema
        columns = [name for name in schema.names if not name.startswith('stats/')]
        for batch in pads.dataset(table).to_batches(columns=columns):
            yield from batch.to_pylist()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise RecordingError(f'cannot read {path}: {error}') from error
    if not isinstance(content, dict):
        raise RecordingError(f'{path} is no JSON object')
    return content
