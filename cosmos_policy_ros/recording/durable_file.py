# SPDX-License-Identifier: Apache-2.0
"""Small files that are either entirely on disk or not there at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, text: str) -> None:
    """Replace the content of `path` in one step and flush it to the disk.

    Raises:
        OSError: If the disk refuses; the old content then stays.
    """
    draft = path.with_name(f'.{path.name}.draft')
    with draft.open('w', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Flush the list of names in a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_and_close(descriptor: int) -> None:
    """Flush the content of a file, and its length, to the disk.

    Raises:
        OSError: If the disk refuses. Later calls may then succeed although data were lost.
    """
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
