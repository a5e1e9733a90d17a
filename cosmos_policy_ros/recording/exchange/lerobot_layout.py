# SPDX-License-Identifier: Apache-2.0
"""Names and places of a LeRobot data set, versions 2.1 and 3.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cosmos_policy_ros.errors import RecordingError

STATE, VELOCITY, EFFORT, ACTION = (
    'observation.state', 'observation.velocity', 'observation.effort', 'action')
IMAGE_PREFIX = 'observation.images.'
INFO, STATS = 'meta/info.json', 'meta/stats.json'
TASKS_JSONL, EPISODES_JSONL, EPISODES_STATS_JSONL = (
    'meta/tasks.jsonl', 'meta/episodes.jsonl', 'meta/episodes_stats.jsonl')
TASKS_PARQUET, EPISODES_PARQUET = (
    'meta/tasks.parquet', 'meta/episodes/chunk-000/file-000.parquet')
CHUNK_SIZE = 1000


@dataclass(frozen=True, kw_only=True)
class LeRobotLayout:
    """Where one version has its files.

    Attributes:
        version: As in `codebase_version`.
        data_path: Pattern of the tables.
        video_path: Pattern of the videos.
    """

    version: str
    data_path: str
    video_path: str

    def data_file(self, number: int) -> str:
        """Return the table of an episode; every file that we write holds one."""
        return self.data_path.format(**_places(number))

    def video_file(self, number: int, video_key: str) -> str:
        """Return the video of an episode."""
        return self.video_path.format(video_key=video_key, **_places(number))


LAYOUTS = {layout.version: layout for layout in (
    LeRobotLayout(
        version='v2.1', data_path='data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.'
        'parquet', video_path='videos/chunk-{episode_chunk:03d}/{video_key}/episode_'
        '{episode_index:06d}.mp4'),
    LeRobotLayout(
        version='v3.0', data_path='data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet',
        video_path='videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'))}


def layout_of(info: Mapping[str, Any], place: str) -> LeRobotLayout:
    """Return the layout of a data set.

    Raises:
        RecordingError: If it has a version other than 2.1 and 3.0.
    """
    version = info.get('codebase_version')
    if version not in LAYOUTS:
        raise RecordingError(f'{place}: codebase_version is {version!r}; readable are '
                             f'{", ".join(LAYOUTS)}')
    return LAYOUTS[version]


def _places(number: int) -> dict[str, int]:
    chunk, place = divmod(number, CHUNK_SIZE)
    return {'episode_chunk': chunk, 'episode_index': number,
            'chunk_index': chunk, 'file_index': place}
