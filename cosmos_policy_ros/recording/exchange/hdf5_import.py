# SPDX-License-Identifier: Apache-2.0
"""Import of HDF5 episodes: ALOHA, ACT, and both layouts of Cosmos Policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
import re

import h5py
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EpisodeLabel, EpisodeMetadata, Outcome, USUAL_SCORES)
from cosmos_policy_ros.recording.exchange.cosmos_export import JPEG_ARRAYS
from cosmos_policy_ros.recording.exchange.hdf5_episode import (
    ACTION, EFFORT, IMAGES, open_hdf5, QPOS, QVEL, read_matrix, VIDEO_PATHS)
from cosmos_policy_ros.recording.exchange.importer import (
    choose_rate, choose_task, Images, ImportOptions, VectorRows)
from cosmos_policy_ros.recording.exchange.joint_order import camera_name, joint_indices
from cosmos_policy_ros.recording.exchange.video_file import read_video
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.recording.step_image import StepImage

# Camera to what yields its images one after the other, given nothing.
_Readers = dict[str, Callable[[], Iterator[StepImage]]]


def hdf5_episodes(
    path: Path, options: ImportOptions, *, usual_rate_hz: float,
) -> Iterator[SteppedEpisode]:
    """Iterate over the episodes in a file or, by number, under a folder; each is checked first.

    Args:
        path: An HDF5 file, or a folder that has `episode_*.hdf5` at any depth.
        options: What a file may not say itself.
        usual_rate_hz: Steps per second where neither file nor options say so.

    Raises:
        RecordingError: If there is no such file. While iterating: if one cannot be read; the
            text names the file and what in it is wrong.
    """
    files = [path] if path.is_file() else sorted(path.rglob('episode_*.hdf5'), key=_number)
    if not files:
        raise RecordingError(f'{path} is no HDF5 file and has no episode_*.hdf5')
    root = path.parent if path.is_file() else path
    return (_open_episode(file, root, options, usual_rate_hz) for file in files)


def _number(path: Path) -> tuple[str, int, str]:
    match = re.search(r'(\d+)', path.stem)
    return str(path.parent), int(match[1]) if match else 0, path.stem


def _open_episode(
    path: Path, root: Path, options: ImportOptions, usual_rate_hz: float,
) -> SteppedEpisode:
    with open_hdf5(path) as file:
        rows = _read_rows(file, options)
        cameras = tuple(_image_readers(file, len(rows.action), options))
        stated_hz = file.attrs.get('rate_hz')
        rate_hz = choose_rate(None if stated_hz is None else float(stated_hz), options,
                              usual_rate_hz, f'{path}: rate_hz')
        metadata = _metadata(file, path, root, options)
    return SteppedEpisode(
        name='-'.join([*path.parent.relative_to(root).parts, path.stem]), metadata=metadata,
        rate_hz=rate_hz, cameras=cameras, duration_s=float(len(rows.action) / rate_hz),
        read=lambda: _read_steps(path, rows, options, metadata.started_ns, rate_hz))


def _read_steps(path: Path, rows: VectorRows, options: ImportOptions, start_ns: int,
                rate_hz: float) -> Iterator[Step]:
    with open_hdf5(path) as file:
        readers = _image_readers(file, len(rows.action), options)
        yield from rows.steps(_together(readers), start_ns, rate_hz)


def _together(readers: _Readers) -> Images:
    streams = {camera: read() for camera, read in readers.items()}
    for images in zip(*streams.values()):
        yield dict(zip(streams, images))


def _read_rows(file: h5py.File, options: ImportOptions) -> VectorRows:
    names = file.attrs.get('joint_names')
    indices = joint_indices(names, options.joint_order, f'{file.filename}: joint_names')
    found = {name: read_matrix(file, name)[:, indices] for name in (QPOS, QVEL, EFFORT, ACTION)
             if name in (QPOS, ACTION) or _is_recorded(file, name)}
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise RecordingError(f'{file.filename}: lengths differ: {lengths}')
    return VectorRows(positions=found[QPOS], action=found[ACTION], velocities=found.get(QVEL),
                      efforts=found.get(EFFORT))


def _is_recorded(file: h5py.File, name: str) -> bool:
    return name in file and bool(file[name].attrs.get('recorded', True))


def _image_readers(file: h5py.File, length: int, options: ImportOptions) -> _Readers:
    swapped = options.swap_red_blue
    readers: _Readers = {}
    for name in file.get(IMAGES, ()):
        data = _checked(file, f'{IMAGES}/{name}', length)
        readers[name] = partial(_plain_images if data.ndim == 4 else _jpeg_images, data,
                                is_swapped=swapped if data.ndim == 4 else not swapped)
    for camera, name in JPEG_ARRAYS.items():
        if name in file:
            readers[camera] = partial(_jpeg_images, _checked(file, name, length),
                                      is_swapped=swapped)
    for name in file.get(VIDEO_PATHS, ()):
        video = Path(file.filename).parent / file[f'{VIDEO_PATHS}/{name}'].asstr()[()]
        readers[name] = partial(_video_images, video, length, is_swapped=swapped)
    if not readers:
        raise RecordingError(f'{file.filename} has no images: none of {IMAGES}, {VIDEO_PATHS}, '
                             f'{", ".join(JPEG_ARRAYS.values())}')
    return {camera_name(name, file.filename): read for name, read in readers.items()}


def _checked(file: h5py.File, name: str, length: int) -> h5py.Dataset:
    data = file[name]
    if len(data) != length:
        raise RecordingError(f'{file.filename}: {name} has {len(data)} images, {ACTION} has '
                             f'{length} rows')
    is_pixels = data.ndim == 4 and data.shape[3] == 3 and data.dtype == np.uint8
    is_rows = data.ndim == 2 and data.dtype == np.uint8
    if not (is_pixels or is_rows or h5py.check_vlen_dtype(data.dtype) == np.uint8):
        raise RecordingError(
            f'{file.filename}: {name} is {data.dtype} of shape {data.shape}; expected uint8 '
            'images (T, height, width, 3) or JPEGs, one per row')
    return data


def _plain_images(data: h5py.Dataset, *, is_swapped: bool) -> Iterator[StepImage]:
    for index in range(len(data)):
        pixels = data[index]
        yield StepImage(0, pixels=pixels[..., ::-1] if is_swapped else pixels)


def _jpeg_images(data: h5py.Dataset, *, is_swapped: bool) -> Iterator[StepImage]:
    for index in range(len(data)):
        try:
            # Rows are padded with zeros, which no JPEG ends with.
            yield StepImage(0, encoded=data[index].tobytes().rstrip(b'\0'), is_swapped=is_swapped)
        except RecordingError as error:
            raise RecordingError(
                f'{data.file.filename}: {data.name}[{index}]: {error}') from error


def _video_images(path: Path, length: int, *, is_swapped: bool) -> Iterator[StepImage]:
    for pixels in read_video(path, num_frames=length):
        yield StepImage(0, pixels=pixels[..., ::-1] if is_swapped else pixels)


def _metadata(
    file: h5py.File, path: Path, root: Path, options: ImportOptions,
) -> EpisodeMetadata:
    attributes: Mapping[str, object] = file.attrs
    # Cosmos Policy's demonstrations name their task by the folder above `train` and `val`.
    folder = path.parent.parent.name if path.parent.name in ('train', 'val') else ''
    stated = str(attributes.get('task_description', folder.replace('_', ' ')))
    return EpisodeMetadata(
        task=choose_task(stated, options, str(path)), robot='interbotix',
        mode=str(attributes.get('mode', options.mode)),
        checkpoint=str(attributes.get('policy_name', '')),
        operator=str(attributes.get('user_name', '')), software_version='',
        started_ns=int(attributes.get('started_ns', path.stat().st_mtime_ns)),
        label=_label(attributes, path, options))


def _label(
    attributes: Mapping[str, object], path: Path, options: ImportOptions,
) -> EpisodeLabel:
    if 'success' not in attributes and 'outcome' not in attributes:
        return options.label
    is_success = bool(attributes.get('success', False))
    outcome = str(attributes.get(
        'outcome', (Outcome.SUCCESS if is_success else Outcome.FAILURE).value))
    # HDF5 gives numbers of its own types.
    score = (float(attributes['success_score']) if 'success_score' in attributes
             else USUAL_SCORES.get(outcome))
    try:
        return EpisodeLabel(
            outcome=outcome, score=score,
            note=str(attributes.get('user_description', '')))
    except RecordingError as error:
        raise RecordingError(f'{path}: {error}') from error
