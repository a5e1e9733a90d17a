# SPDX-License-Identifier: Apache-2.0
"""Small files that are either entirely on disk or not there at all."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path


def write_durably(path: Path, text: str) -> None:
    """Replace the content of `path` in one step and flush it to the disk.

    Raises:
        OSError: If the disk refuses; the old content then stays.
    """
    replace_durably(path, lambda draft: draft.write_text(text, encoding='utf-8'))


def replace_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one step by what is written to another place, and flush it to the disk.

    Args:
        path: The file.
        write: Writes the new file to the path that it is given.

    Raises:
        OSError: If the disk refuses; the old file then stays.
    """
    draft = path.with_name(f'.{path.name}.draft')
    write(draft)
    sync_and_close(os.open(draft, os.O_RDONLY))
    draft.replace(path)
    sync_directory(path.parent)


def sync_files(directory: Path) -> None:
    """Flush every file in a directory, and the list of their names, to the disk.

    Raises:
        OSError: If the disk refuses.
    """
    for path in directory.iterdir():
        if path.is_file():
            sync_and_close(os.open(path, os.O_RDONLY))
    sync_directory(directory)


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
