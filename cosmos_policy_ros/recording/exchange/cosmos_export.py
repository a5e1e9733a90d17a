# SPDX-License-Identifier: Apache-2.0
"""Export to the two layouts that Cosmos Policy trains on: demonstrations and rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
from functools import partial
import json
from pathlib import Path
import re
import shutil
from typing import Any

import cv2
import h5py
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import replace_durably, write_durably
from cosmos_policy_ros.recording.episode import known_score, Outcome
from cosmos_policy_ros.recording.exchange.exporter import (
    check_name_is_free, episode_facts, move)
from cosmos_policy_ros.recording.exchange.hdf5_episode import (
    JointRows, save_attributes, VIDEO_PATHS)
from cosmos_policy_ros.recording.exchange.ledger import Ledger
from cosmos_policy_ros.recording.exchange.video_file import VideoFileWriter
from cosmos_policy_ros.recording.step import SteppedEpisode
from cosmos_policy_ros.recording.step_image import StepImage

CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')
JPEG_ARRAYS = dict(zip(CAMERAS, (
    'primary_images_jpeg', 'wrist_left_images_jpeg', 'wrist_right_images_jpeg')))
SIZE_PX = 256
_FILE = 'episode.hdf5'
_ROLLOUT_IMAGES = ('jpeg', 'mp4')


@dataclass(frozen=True, kw_only=True)
class CosmosExporter:
    """Writes demonstrations: `<task>/{train,val}/episode_0.hdf5` and one video per camera.

    Images are scaled to 256 x 256. The trainer of that layout derives the task from the folder's
    name; `task_description` holds it in full.

    Attributes:
        val_every: One episode in this many goes to `val`; 0 for none.
    """

    format_name = 'cosmos'
    cameras: tuple[str, ...] = CAMERAS
    val_every: int = 20

    def write(self, episode: SteppedEpisode, folder: Path) -> dict[str, Any]:
        """Write an episode, see `Exporter`."""
        outcome = episode.metadata.label.outcome
        if outcome in (Outcome.FAILURE, Outcome.PARTIAL):
            raise RecordingError(
                f'episode {episode.name} is labelled {outcome.value}; whoever reads '
                f'{self.format_name} takes every episode for a success, cosmos_rollout has others')
        rows, scaled, step = JointRows(), _Scaled(), None
        with _open_videos(folder, episode) as videos:
            for step in episode:
                rows.add(step)
                for camera, image in step.images.items():
                    videos[camera].add(scaled(camera, image))
        facts = episode_facts(episode, step)
        with h5py.File(folder / _FILE, 'w') as file:
            rows.save(file)
            save_attributes(file, episode)
            file.create_dataset('/relative_action', data=_relative(rows.actions))
        return facts

    def check(self, facts: dict[str, Any], ledger: Ledger) -> None:
        """Refuse a name that is taken, see `Exporter`."""
        number = len(ledger.entries)
        check_name_is_free(self._folder(facts, number, ledger) / f'episode_{number}.hdf5')

    def place(self, folder: Path, number: int, ledger: Ledger) -> None:
        """Name the videos in the file, then move all, see `Exporter`."""
        facts = ledger.entries[number].facts
        _place_with_videos(folder, self._folder(facts, number, ledger), number)

    def finish(self, ledger: Ledger) -> None:
        """Write `preprocessing_metadata.json` for each task, see `Exporter`."""
        for task in {_slug(entry.facts['task']) for entry in ledger.entries}:
            write_durably(
                ledger.path.parent / task / 'preprocessing_metadata.json', json.dumps({
                    'image_size': SIZE_PX, 'fps': ledger.settings['rate_hz'],
                    'val_every': self.val_every, 'cameras': list(self.cameras),
                    'episodes': {f'episode_{number}': entry.facts['length']
                                 for number, entry in enumerate(ledger.entries)
                                 if _slug(entry.facts['task']) == task}}, indent=2) + '\n')

    def _folder(self, facts: dict[str, Any], number: int, ledger: Ledger) -> Path:
        is_val = self.val_every and number % self.val_every == self.val_every - 1
        return ledger.path.parent / _slug(facts['task']) / ('val' if is_val else 'train')


@dataclass(frozen=True, kw_only=True)
class CosmosRolloutExporter:
    """Writes rollouts: `episode_0.hdf5`, ... with success, score and task, images at full size.

    Attributes:
        images: `jpeg`, arrays in the HDF5 file, recorded JPEGs unchanged; `mp4`, a video per
            camera.

    Raises:
        RecordingError: If `images` is neither.
    """

    format_name = 'cosmos_rollout'
    cameras: tuple[str, ...] = CAMERAS
    images: str = 'jpeg'

    def __post_init__(self) -> None:
        if self.images not in _ROLLOUT_IMAGES:
            raise RecordingError(f'images is {self.images!r}; {self.format_name} has '
                                 f'{", ".join(_ROLLOUT_IMAGES)}')

    def write(self, episode: SteppedEpisode, folder: Path) -> dict[str, Any]:
        """Write an episode, see `Exporter`."""
        label = episode.metadata.label
        if known_score(label) is None:
            raise RecordingError(
                f'episode {episode.name} is {label.outcome.value} without a score, which whoever '
                f'reads {self.format_name} takes for a failure; label it first')
        rows = JointRows()
        with h5py.File(folder / _FILE, 'w') as file:
            write_images = self._write_jpegs if self.images == 'jpeg' else self._write_videos
            facts = write_images(episode, folder, file, rows)
            rows.save(file)
            save_attributes(file, episode)
        return facts

    def check(self, facts: dict[str, Any], ledger: Ledger) -> None:
        """Refuse a name that is taken, see `Exporter`."""
        check_name_is_free(ledger.path.parent / f'episode_{len(ledger.entries)}.hdf5')

    def place(self, folder: Path, number: int, ledger: Ledger) -> None:
        """Name the videos in the file, then move all, see `Exporter`."""
        _place_with_videos(folder, ledger.path.parent, number)

    def finish(self, ledger: Ledger) -> None:
        """Do nothing: every file stands for itself."""

    def _write_jpegs(
        self, episode: SteppedEpisode, folder: Path, file: h5py.File, rows: JointRows,
    ) -> dict[str, Any]:
        step = None
        arrays = {camera: file.create_dataset(
            JPEG_ARRAYS[camera], (0,), h5py.vlen_dtype(np.uint8), maxshape=(None,))
            for camera in episode.cameras}
        for step in episode:
            rows.add(step)
            for camera, image in step.images.items():
                arrays[camera].resize(step.index + 1, axis=0)
                arrays[camera][step.index] = np.frombuffer(image.jpeg, np.uint8)
        return episode_facts(episode, step)

    def _write_videos(
        self, episode: SteppedEpisode, folder: Path, file: h5py.File, rows: JointRows,
    ) -> dict[str, Any]:
        step = None
        with _open_videos(folder, episode) as videos:
            for step in episode:
                rows.add(step)
                for camera, image in step.images.items():
                    videos[camera].add(image)
        return episode_facts(episode, step)


class _Scaled:
    """Scales images; the same image again is the same object."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[StepImage, StepImage]] = {}

    def __call__(self, camera: str, image: StepImage) -> StepImage:
        if camera not in self._last or self._last[camera][0] is not image:
            pixels = cv2.resize(
                image.pixels, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
            self._last[camera] = image, StepImage(image.stamp_ns, pixels=pixels)
        return self._last[camera][1]


@contextmanager
def _open_videos(folder: Path, episode: SteppedEpisode) -> Iterator[dict[str, VideoFileWriter]]:
    """One video per camera of an episode, complete when the block ends."""
    with ExitStack() as stack:
        yield {camera: stack.enter_context(VideoFileWriter(
            folder / f'{camera}.mp4', episode.rate_hz, gop=12, quantiser=18))
            for camera in episode.cameras}


def _place_with_videos(folder: Path, target: Path, number: int) -> None:
    stem = f'episode_{number}'
    cameras = sorted(path.stem for path in folder.glob('*.mp4'))
    if cameras and (folder / _FILE).exists():
        replace_durably(folder / _FILE, partial(
            _name_videos, folder / _FILE,
            {camera: f'{stem}_{camera}.mp4' for camera in cameras}))
    for camera in cameras:
        move(folder / f'{camera}.mp4', target / f'{stem}_{camera}.mp4')
    # Last, so that whoever finds it finds its videos.
    move(folder / _FILE, target / f'{stem}.hdf5')


def _name_videos(source: Path, names: Mapping[str, str], target: Path) -> None:
    shutil.copyfile(source, target)
    with h5py.File(target, 'r+') as file:
        for camera, name in names.items():
            file.pop(f'{VIDEO_PATHS}/{camera}', None)
            file[f'{VIDEO_PATHS}/{camera}'] = name


def _relative(actions: np.ndarray) -> np.ndarray:
    """Change from each action to the next, the last repeated."""
    if len(actions) < 2:
        return np.zeros_like(actions)
    change = np.diff(actions, axis=0)
    return np.concatenate([change, change[-1:]])


def _slug(task: str) -> str:
    return re.sub(r'[^a-z0-9]+', '_', task.lower()).strip('_') or 'task'
