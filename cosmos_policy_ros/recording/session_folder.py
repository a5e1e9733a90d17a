# SPDX-License-Identifier: Apache-2.0
"""Names of the episodes of a folder, and where those go that were recorded again."""

from __future__ import annotations

from pathlib import Path
import shutil

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import PARTIAL_SUFFIX
from cosmos_policy_ros.recording.writer import next_episode_name

SET_ASIDE_FOLDER = 'set_aside'


def next_name(directory: Path) -> str:
    """Return the next `episode_NNNNNN`, above every one that is kept, begun or set aside."""
    # Names of one width sort as their numbers do.
    return max(next_episode_name(directory), next_episode_name(directory / SET_ASIDE_FOLDER),
               key=lambda name: (len(name), name))


def set_aside(episode: Path) -> Path:
    """Move an episode out of the way of exports; nothing of it is lost.

    Returns:
        Its new folder.

    Raises:
        RecordingError: If it is not there, or its place is taken.
    """
    target = episode.parent / SET_ASIDE_FOLDER / episode.name
    if not episode.is_dir() or episode.name.endswith(PARTIAL_SUFFIX):
        raise RecordingError(f'{episode} is no finished episode that could be set aside')
    if target.exists():
        raise RecordingError(f'cannot set {episode} aside: {target} exists')
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.move(episode, target)
    except OSError as error:
        raise RecordingError(f'cannot set {episode} aside: {error}') from error
    return target
