# SPDX-License-Identifier: Apache-2.0
"""What the HDF5 episodes of ALOHA, ACT and Cosmos Policy share: joints, actions, attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import known_score, Outcome
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.spec.aloha import ALOHA

QPOS, QVEL, EFFORT, ACTION = (
    '/observations/qpos', '/observations/qvel', '/observations/effort', '/action')
IMAGES, VIDEO_PATHS = '/observations/images', '/observations/video_paths'


class JointRows:
    """The joint vectors of an episode, collected while its images are streamed."""

    def __init__(self) -> None:
        """Begin without rows."""
        self._rows: dict[str, list[np.ndarray | None]] = {
            name: [] for name in (QPOS, QVEL, EFFORT, ACTION)}

    def add(self, step: Step) -> None:
        """Append the vectors of a step."""
        for name, row in ((QPOS, step.positions), (QVEL, step.velocities),
                          (EFFORT, step.efforts), (ACTION, step.action)):
            self._rows[name].append(row)

    @property
    def actions(self) -> np.ndarray:
        """Actions so far. Shape (T, 14), float32."""
        return np.array(self._rows[ACTION], np.float32)

    def save(self, file: h5py.File) -> None:
        """Write the vectors. What was not recorded is written as zeros, which its attribute says.

        The field's own recorders do the same: readers expect all four.
        """
        shape = (len(self._rows[ACTION]), ALOHA.num_joints)
        for name, rows in self._rows.items():
            is_recorded = all(row is not None for row in rows)
            data = file.create_dataset(
                name, data=np.array(rows, np.float32) if is_recorded else np.zeros(shape, 'f4'))
            if not is_recorded:
                data.attrs['recorded'] = False


def save_attributes(file: h5py.File, episode: SteppedEpisode) -> None:
    """Write what is known of an episode under the names that rollouts have, and ours."""
    metadata = episode.metadata
    is_success = metadata.label.outcome == Outcome.SUCCESS
    score = known_score(metadata.label)
    if score is not None:
        file.attrs['success_score'] = score
    file.attrs.update({
        'sim': False, 'task_description': metadata.task, 'success': is_success,
        'outcome': metadata.label.outcome.value, 'user_description': metadata.label.note,
        'policy_name': metadata.checkpoint, 'user_name': metadata.operator,
        'mode': metadata.mode, 'robot': metadata.robot,
        'rate_hz': float(episode.rate_hz), 'started_ns': metadata.started_ns,
        'joint_names': list(ALOHA.joint_names), 'source': episode.name})


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file to read it.

    Raises:
        RecordingError: If it is missing, cut off or no HDF5; also for what fails while it is open.
    """
    try:
        with h5py.File(path, 'r') as file:
            yield file
    # h5py reports damage as OSError, RuntimeError or KeyError, wherever it meets it.
    except (OSError, RuntimeError, KeyError) as error:
        raise RecordingError(f'cannot read {path}: {error}') from error


def read_matrix(file: h5py.File, name: str) -> np.ndarray:
    """Return a (T, 14) dataset.

    Raises:
        RecordingError: If it is missing, has another shape or values that are not finite. The
            text names file and dataset.
    """
    if name not in file:
        raise RecordingError(f'{file.filename} has no dataset {name}')
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.ndim != 2 or (
            data.shape[1] != ALOHA.num_joints or not len(data)):
        raise RecordingError(f'{file.filename}: {name} has shape {getattr(data, "shape", None)}; '
                             f'expected (T, {ALOHA.num_joints}) with T at least 1')
    values = np.asarray(data, np.float32)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise RecordingError(
            f'{file.filename}: {name}[{row}, {column}] is {values[row, column]}')
    return values
