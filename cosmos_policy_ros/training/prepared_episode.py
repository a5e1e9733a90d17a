# SPDX-License-Identifier: Apache-2.0
"""Episodes as training reads them: small images and vectors on disk, mapped and not loaded.

An episode is prepared once for each way of looking at it (image size, cameras, rate). Its folder
is named after both, and appears only when it is complete.

Legend: N steps, V views, S image side, A action dimensions, P joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import shutil

import numpy as np

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.latent_layout import latent_layout
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.policy.preprocessing import cameras_for_views, square_images
from cosmos_policy_ros.recording.episode import EPISODE_FILE
from cosmos_policy_ros.recording.step import NS_PER_S, SteppedEpisode

FORMAT_VERSION = 2
_DIGEST_BYTES = 1 << 16
_NUM_DIGITS = 16
_COLUMNS = ('proprio', 'actions', 'image_ages_s')


@dataclass(frozen=True, kw_only=True)
class View:
    """How training looks at episodes; episodes prepared otherwise do not fit.

    Attributes:
        cameras: Cameras in the order of the model's views.
        image_size_px: Side of the square images in [px].
        camera_resize_px: Side of the square to which images are resized first; None for none.
        jpeg_round_trip: Whether images go through JPEG.
        period_s: Time between steps in [s].
    """

    cameras: tuple[str, ...]
    image_size_px: int
    camera_resize_px: int | None
    jpeg_round_trip: bool
    period_s: float

    @classmethod
    def of(cls, config: ModelConfig) -> View:
        """Return how a model looks."""
        return cls(cameras=cameras_for_views(latent_layout(config.layout).views),
                   image_size_px=config.image_size_px, camera_resize_px=config.camera_resize_px,
                   jpeg_round_trip=config.jpeg_round_trip, period_s=config.chunk_period_s)


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedEpisode:
    """One episode.

    Attributes:
        name: Name of the episode.
        identity: Digest of the recording and of the view.
        images: Square images before the crop. Shape (N, V, S, S, 3), uint8.
        proprio: Measured joints, arms in [rad], grippers 0 to 1. Shape (N, P), float32.
        actions: Command in force one period later. Shape (N, A), float32.
        image_ages_s: How long before the step its oldest image was taken in [s]. Shape (N,),
            float32.
    """

    name: str
    identity: str
    images: np.ndarray
    proprio: np.ndarray
    actions: np.ndarray
    image_ages_s: np.ndarray

    def __len__(self) -> int:
        return len(self.proprio)


def episode_identity(path: Path, view: View) -> str:
    """Return the digest of a recording, judged by its length, ends and index, and of a view.

    Raises:
        RecordingError: If the recording cannot be read.
    """
    digest = hashlib.sha256(repr((FORMAT_VERSION, view)).encode())
    files = sorted(path.glob('*.mcap'))
    try:
        for file_path in files:
            size = file_path.stat().st_size
            digest.update(str(size).encode())
            with file_path.open('rb') as file:
                digest.update(file.read(_DIGEST_BYTES))
                file.seek(max(0, size - _DIGEST_BYTES))
                digest.update(file.read())
    except OSError as error:
        raise RecordingError(f'cannot read episode {path}: {error}') from error
    if not files:
        raise RecordingError(f'{path} holds no recording')
    return digest.hexdigest()[:_NUM_DIGITS]


def find_episodes(directory: Path) -> list[Path]:
    """Return the folders of the episodes in a directory, which may itself be one, sorted.

    Raises:
        RecordingError: If there is none.
    """
    if (directory / EPISODE_FILE).is_file():
        return [directory]
    found = sorted(path.parent for path in directory.glob(f'*/{EPISODE_FILE}'))
    if not found:
        raise RecordingError(f'{directory} holds no episode; expected folders with a '
                             f'{EPISODE_FILE}, as the recorder writes them')
    return found


def is_prepared(cache: Path, identity: str) -> bool:
    """Whether the episode of that identity lies in a cache."""
    return (cache / identity).is_dir()


def prepare_episode(cache: Path, identity: str, episode: SteppedEpisode, view: View) -> None:
    """Read an episode and put it into a cache.

    Raises:
        RecordingError: If it has another rate, too few cameras, numbers that are not finite, or
            the disk refuses.
    """
    if abs(1 / float(episode.rate_hz) - view.period_s) > 1e-9:
        raise RecordingError(f'episode {episode.name} has {float(episode.rate_hz):g} steps per '
                             f'second; the model needs {1 / view.period_s:g}')
    images, *columns = (np.stack(column) for column in zip(*_prepared_steps(episode, view)))
    for name, values in zip(_COLUMNS, columns):
        if not np.isfinite(values).all():
            step = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise RecordingError(f'episode {episode.name}: {name} of step {step} is not finite')
    draft = cache / f'.{identity}.{os.getpid()}'
    try:
        draft.mkdir(parents=True)
        np.save(draft / 'images.npy', images)
        for name, values in zip(_COLUMNS, columns):
            np.save(draft / f'{name}.npy', values.astype(np.float32))
        (draft / 'episode.json').write_text(json.dumps({'name': episode.name}))
        draft.rename(cache / identity)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not is_prepared(cache, identity):
            raise RecordingError(f'cannot prepare {episode.name} in {cache}: {error}') from error


def _prepared_steps(
    episode: SteppedEpisode, view: View,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    """Yield the images of every step and what goes into its `_COLUMNS`."""
    shown, images = None, None
    for step in episode:
        # Images that are shown again are the same objects, and come out the same.
        if step.images != shown:
            shown, images = step.images, square_images(
                {name: image.pixels for name, image in step.images.items()}, view.cameras, view)
        oldest_ns = min(step.images[camera].stamp_ns for camera in view.cameras)
        yield images, step.positions, step.action, (step.time_ns - oldest_ns) / NS_PER_S


def load_prepared(cache: Path, identity: str) -> PreparedEpisode:
    """Map a prepared episode.

    Raises:
        RecordingError: If its files are missing or damaged.
    """
    folder = cache / identity
    try:
        arrays = {name: np.load(folder / f'{name}.npy', mmap_mode='r') for name in _COLUMNS}
        images = np.load(folder / 'images.npy', mmap_mode='r')
        name = json.loads((folder / 'episode.json').read_text())['name']
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise RecordingError(
            f'prepared episode {folder} is damaged ({error}); remove the folder') from error
    return PreparedEpisode(name=name, identity=identity, images=images,
                           **{key: np.array(value) for key, value in arrays.items()})
