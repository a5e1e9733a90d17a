# SPDX-License-Identifier: Apache-2.0
"""What an export has done so far, in a file beside its results, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import write_durably

LEDGER_FILE = 'export.json'
_FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One exported episode.

    Attributes:
        source: Folder of the episode that was exported.
        fingerprint: What the episode was like then; another value means that it changed since.
        facts: What the format needs to know of it later.
    """

    source: str
    fingerprint: str
    facts: dict[str, Any]


@dataclass(kw_only=True)
class Ledger:
    """The episodes of an export; the number of each is its place in the list.

    Attributes:
        path: The file.
        format: Name of the data format.
        settings: What decides how episodes are written.
        entries: The exported episodes.
    """

    path: Path
    format: str
    settings: Mapping[str, Any]
    entries: list[LedgerEntry] = field(default_factory=list)

    def find(self, source: str) -> LedgerEntry | None:
        """Return the entry of an episode; None if it was not exported."""
        return next((entry for entry in self.entries if entry.source == source), None)

    def add(self, entry: LedgerEntry) -> int:
        """Append an entry on disk and return its number.

        Raises:
            RecordingError: If the disk refuses.
        """
        self.entries.append(entry)
        self.save()
        return len(self.entries) - 1

    def save(self) -> None:
        """Write the file in one step.

        Raises:
            RecordingError: If the disk refuses.
        """
        content = {'format_version': _FORMAT_VERSION, 'format': self.format,
                   'settings': self.settings, 'episodes': [vars(e) for e in self.entries]}
        try:
            write_durably(self.path, json.dumps(content, indent=1) + '\n')
        except OSError as error:
            raise RecordingError(f'cannot write {self.path}: {error}') from error


def open_ledger(output: Path, format_name: str, settings: Mapping[str, Any]) -> Ledger:
    """Return the ledger of an export that was begun in a folder, or begin one.

    Raises:
        RecordingError: If the folder holds something else or an export with other settings, or
            cannot be written.
    """
    path = output / LEDGER_FILE
    settings = json.loads(json.dumps(settings))
    if not path.exists():
        _make_empty(output)
        ledger = Ledger(path=path, format=format_name, settings=settings)
        ledger.save()
        return ledger
    content = _read(path)
    have = {'format': content['format'], **content['settings']}
    want = {'format': format_name, **settings}
    for name in ('format', *sorted({*have, *want} - {'format'})):
        if have.get(name) != want.get(name):
            raise RecordingError(
                f'{output} was exported with {name} {have.get(name)!r}, now it is '
                f'{want.get(name)!r}; choose another folder, or --overwrite')
    return Ledger(path=path, format=format_name, settings=settings,
                  entries=[LedgerEntry(**entry) for entry in content['episodes']])


def _make_empty(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        is_used = any(output.iterdir())
    except OSError as error:
        raise RecordingError(f'cannot use {output}: {error}') from error
    if is_used:
        raise RecordingError(f'{output} is not empty and has no {LEDGER_FILE}, so it is no export '
                             'to go on with; choose another folder')


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if content['format_version'] != _FORMAT_VERSION:
            raise RecordingError(f'{path} has format_version {content["format_version"]!r}; '
                                 f'allowed is {_FORMAT_VERSION}')
        return content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f'cannot read {path}: {error}') from error
