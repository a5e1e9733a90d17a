# SPDX-License-Identifier: Apache-2.0
"""Export to the HDF5 episodes of ALOHA and ACT: `episode_0.hdf5`, `episode_1.hdf5`, ..."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import h5py
import numpy as np

from cosmos_policy_ros.recording.exchange.exporter import (
    check_name_is_free, episode_facts, move)
from cosmos_policy_ros.recording.exchange.hdf5_episode import IMAGES, JointRows, save_attributes
from cosmos_policy_ros.recording.exchange.ledger import Ledger
from cosmos_policy_ros.recording.step import SteppedEpisode
from cosmos_policy_ros.recording.step_image import encode_jpeg, StepImage

_FILE = 'episode.hdf5'


@dataclass(frozen=True, kw_only=True)
class AlohaExporter:
    """Writes the layout of ALOHA's recorders, images compressed as its ROS 2 recorder does.

    Its readers decode with OpenCV and take the result for RGB, so red and blue are exchanged in
    the JPEGs: an image viewer shows them swapped, a reader of this format does not.

    Attributes:
        cameras: Cameras to write; all that were recorded if empty.
        compress: JPEG rows; plain arrays, as the first ALOHA wrote them, if False.
        jpeg_quality: 0 to 100.
    """

    format_name = 'aloha_hdf5'
    cameras: tuple[str, ...] = ()
    compress: bool = True
    jpeg_quality: int = 95

    def write(self, episode: SteppedEpisode, folder: Path) -> dict[str, Any]:
        """Write an episode, see `Exporter`."""
        rows, step = JointRows(), None
        with h5py.File(folder / _FILE, 'w', rdcc_nbytes=2 * 1024**2) as file:
            with TemporaryFile(dir=folder) as spool:
                images = (_JpegRows(episode.cameras, spool, self.jpeg_quality)
                          if self.compress else _PlainRows(file))
                for step in episode:
                    rows.add(step)
                    for camera, image in step.images.items():
                        images.add(camera, image)
                facts = episode_facts(episode, step)
                images.save(file)
            rows.save(file)
            save_attributes(file, episode)
            if self.compress:
                file.attrs['compress'] = True
        return facts

    def check(self, facts: dict[str, Any], ledger: Ledger) -> None:
        """Refuse a name that is taken, see `Exporter`."""
        check_name_is_free(ledger.path.parent / f'episode_{len(ledger.entries)}.hdf5')

    def place(self, folder: Path, number: int, ledger: Ledger) -> None:
        """Move the file to its name, see `Exporter`."""
        move(folder / _FILE, ledger.path.parent / f'episode_{number}.hdf5')

    def finish(self, ledger: Ledger) -> None:
        """Do nothing: every file stands for itself."""


class _JpegRows:
    """JPEGs, spooled to disk because the width of the rows is that of the longest one."""

    def __init__(self, cameras: tuple[str, ...], spool: BinaryIO, quality: int) -> None:
        self._spool, self._quality = spool, quality
        self._lengths: dict[str, list[int]] = {camera: [] for camera in cameras}
        self._offsets: dict[str, list[int]] = {camera: [] for camera in cameras}
        self._last: dict[str, StepImage] = {}

    def add(self, camera: str, image: StepImage) -> None:
        if self._last.get(camera) is image:
            self._lengths[camera].append(self._lengths[camera][-1])
            self._offsets[camera].append(self._offsets[camera][-1])
            return
        data = encode_jpeg(image.pixels, quality=self._quality, is_swapped=True)
        self._lengths[camera].append(len(data))
        self._offsets[camera].append(self._spool.tell())
        self._spool.write(data)
        self._last[camera] = image

    def save(self, file: h5py.File) -> None:
        width = max(max(lengths) for lengths in self._lengths.values())
        for camera, lengths in self._lengths.items():
            data = file.create_dataset(f'{IMAGES}/{camera}', (len(lengths), width), 'u1',
                                       chunks=(1, width))
            for index, (offset, length) in enumerate(zip(self._offsets[camera], lengths)):
                self._spool.seek(offset)
                row = self._spool.read(length).ljust(width, b'\0')
                data[index] = np.frombuffer(row, np.uint8)
        file.create_dataset('/compress_len', data=np.array(list(self._lengths.values()), 'f4'))


class _PlainRows:
    """Pixels, appended to the file as they come."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._data: dict[str, h5py.Dataset] = {}

    def add(self, camera: str, image: StepImage) -> None:
        shape = image.pixels.shape
        if camera not in self._data:
            self._data[camera] = self._file.create_dataset(
                f'{IMAGES}/{camera}', (0, *shape), 'u1', chunks=(1, *shape),
                maxshape=(None, *shape))
        data = self._data[camera]
        data.resize(len(data) + 1, axis=0)
        data[-1] = image.pixels

    def save(self, file: h5py.File) -> None:
        """Do nothing: the rows are in the file."""
