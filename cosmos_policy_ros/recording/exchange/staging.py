# SPDX-License-Identifier: Apache-2.0
"""Where an export writes episodes aside: one export at a time, each one complete or a draft."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
from hashlib import sha256
import os
from pathlib import Path
import shutil

from cosmos_policy_ros.errors import RecordingError

STAGING = '.partial'
_DRAFT_SUFFIX = '.draft'


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other exports from a folder; its drafts are then of nobody, and deleted.

    Raises:
        RecordingError: If another export is writing there at this moment.
        OSError: If the disk refuses.
    """
    staging = output / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        _lock(descriptor, output)
        for draft in staging.glob(f'*{_DRAFT_SUFFIX}'):
            shutil.rmtree(draft, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, output: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RecordingError(
            f'another export is writing to {output} at this moment; wait for its end') from error


def staged_folder(output: Path, source: str) -> Path:
    """Return where the complete files of an episode wait, given its folder."""
    return output / STAGING / sha256(source.encode()).hexdigest()[:16]


def make_draft(folder: Path) -> Path:
    """Make an empty folder to write in, of this process alone, beside where the files then wait.

    Raises:
        OSError: If the disk refuses.
    """
    draft = folder.with_name(f'{folder.name}.{os.getpid()}{_DRAFT_SUFFIX}')
    draft.mkdir(parents=True)
    return draft


def delete_staging(output: Path) -> None:
    """Delete what an export that is done does not need any more."""
    shutil.rmtree(output / STAGING, ignore_errors=True)
