# SPDX-License-Identifier: Apache-2.0
"""What an import that was killed has left of an episode: deleted, because the source is there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import shutil

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EPISODE_FILE, EpisodeMetadata, load_metadata, PARTIAL_SUFFIX)
from cosmos_policy_ros.recording.recover import locked
from cosmos_policy_ros.recording.writer import mcap_name


def delete_interrupted_import(path: Path, metadata: EpisodeMetadata) -> None:
    """Delete what an interrupted import of the very same episode has left.

    Args:
        path: Folder that the episode will have.
        metadata: What is known of the episode at the start of its import.

    Raises:
        RecordingError: If the folder belongs to something else or is being written, or the disk
            refuses.
    """
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    if not partial.exists():
        return
    # Without its metadata a file has no messages yet: see how `EpisodeWriter` begins.
    is_ours = (_same(load_metadata(partial), metadata) if (partial / EPISODE_FILE).exists()
               else not (partial / mcap_name(path.name)).exists())
    if not is_ours:
        raise RecordingError(
            f'{partial} is another recording, which was interrupted; it is not deleted. Recover '
            'it, or choose another --output')
    _delete(partial, partial / mcap_name(path.name))


def _same(one: EpisodeMetadata, other: EpisodeMetadata) -> bool:
    """Whether two descriptions are of one import, begun at any time by any version."""
    def what(metadata: EpisodeMetadata) -> EpisodeMetadata:
        return replace(metadata, ended_ns=None, message_counts={}, software_version='')
    return what(one) == what(other)


def _delete(partial: Path, file: Path) -> None:
    try:
        # An import that still runs holds its file.
        with suppress(FileNotFoundError), locked(file):
            file.unlink()
        shutil.rmtree(partial)
    except OSError as error:
        raise RecordingError(f'cannot delete {partial}: {error}') from error
