# SPDX-License-Identifier: Apache-2.0
"""What a data format does to be exported to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import sync_directory
from cosmos_policy_ros.recording.exchange.ledger import Ledger
from cosmos_policy_ros.recording.step import Step, SteppedEpisode


class Exporter(Protocol):
    """Writes steps in a data format: each episode alone and in any order, then all together.

    Attributes:
        format_name: Name of the format on the command line.
        cameras: Cameras that the format has; all that were recorded if empty.
    """

    format_name: str
    cameras: tuple[str, ...]

    def write(self, episode: SteppedEpisode, folder: Path) -> dict[str, Any]:
        """Write an episode to files in an empty folder.

        Returns:
            Facts about the episode that JSON can hold, `length` among them.

        Raises:
            RecordingError: If the episode cannot be read or written.
            OSError: If the disk refuses.
        """

    def check(self, facts: dict[str, Any], ledger: Ledger) -> None:
        """Refuse an episode that does not go with those before.

        Raises:
            RecordingError: If it does not, naming what differs.
        """

    def place(self, folder: Path, number: int, ledger: Ledger) -> None:
        """Move the files of an episode to where the format has them; repeating it does no harm.

        Raises:
            RecordingError: If a name is taken.
            OSError: If the disk refuses.
        """

    def finish(self, ledger: Ledger) -> None:
        """Write what describes all episodes together.

        Raises:
            OSError: If the disk refuses.
        """


def move(source: Path, target: Path) -> None:
    """Move a file unless that was done before.

    Raises:
        RecordingError: If both exist: the name is taken by something else.
        OSError: If the disk refuses.
    """
    if not source.exists():
        return
    check_name_is_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    sync_directory(target.parent)


def check_name_is_free(target: Path) -> None:
    """Refuse a name that is taken by something else.

    Raises:
        RecordingError: If it is.
    """
    if target.exists():
        raise RecordingError(f'{target} exists; it is not overwritten')


def episode_facts(episode: SteppedEpisode, last: Step | None) -> dict[str, Any]:
    """Return what most formats keep of an episode, given its last step.

    Raises:
        RecordingError: If there was no step.
    """
    if last is None:
        raise RecordingError(f'episode {episode.name} has no step')
    return {'length': last.index + 1, 'task': episode.metadata.task,
            'cameras': {camera: list(image.pixels.shape[:2])
                        for camera, image in last.images.items()}}
