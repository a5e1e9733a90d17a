# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy fetch`: download what a checkpoint or a text encoder needs, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import shutil
import sys
from typing import Annotated

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.prompt import Confirm
from rich.table import Table
import tyro

from cosmos_policy_ros.cli.hub_files import (
    download, HubError, HubFile, is_missing, needed_files)

STATUS_DECLINED = 1
STATUS_INTERRUPTED = 130


def fetch(
    repository: Annotated[str, tyro.conf.Positional], *, output: Path | None = None,
    yes: bool = False,
) -> int:
    """Download a released checkpoint or a text encoder from Hugging Face.

    Only the files that are needed are taken, among them the image tokenizer from a repository of
    its own. What is there already is not downloaded again.

    Args:
        repository: Owner and name, such as nvidia/Cosmos-Policy-ALOHA-Predict2-2B.
        output: Folder for the files; by default the Hugging Face cache, in which a checkpoint is
            found by the name of its repository.
        yes: Do not ask before downloading.
    """
    console = Console()
    with console.status(f'asking for the files of {escape(repository)}'):
        files = needed_files(repository)
        missing = [file for file in files if is_missing(file, output)]
    console.print(_table(files, missing))
    if missing:
        console.print(f'{len(missing)} files of {decimal(_size_bytes(missing))} to download')
        _check_space(_target(output), missing)
        if not yes and not _is_confirmed(console, missing, _target(output)):
            return STATUS_DECLINED
    try:
        _download(console, missing, output)
    except KeyboardInterrupt:
        console.print('stopped; complete files are kept')
        return STATUS_INTERRUPTED
    console.print(f'complete: {escape(str(output or repository))}')
    return 0


def _table(files: Sequence[HubFile], missing: Sequence[HubFile]) -> Table:
    table = Table('repository', 'file', 'size', '')
    for file in files:
        table.add_row(escape(file.repository), escape(file.name), decimal(file.size_bytes),
                      'to download' if file in missing else 'there')
    return table


def _size_bytes(files: Sequence[HubFile]) -> int:
    return sum(file.size_bytes for file in files)


def _target(output: Path | None) -> Path:
    if output is not None:
        return output.absolute()
    from huggingface_hub import constants
    return Path(constants.HF_HUB_CACHE)


def _check_space(target: Path, missing: Sequence[HubFile]) -> None:
    existing = next(path for path in (target, *target.parents) if path.exists())
    free_bytes, needed_bytes = shutil.disk_usage(existing).free, _size_bytes(missing)
    if free_bytes < needed_bytes:
        raise HubError(f'{decimal(needed_bytes)} are to be downloaded, but {target} has only '
                       f'{decimal(free_bytes)} free')


def _is_confirmed(console: Console, missing: Sequence[HubFile], target: Path) -> bool:
    question = f'download {decimal(_size_bytes(missing))} to {escape(str(target))}?'
    if not sys.stdin.isatty():
        raise HubError(f'{question} There is no terminal to answer: --yes says so')
    return Confirm.ask(question, console=console, default=True)


def _download(console: Console, missing: Sequence[HubFile], output: Path | None) -> None:
    for number, file in enumerate(missing, 1):
        console.print(f'{number}/{len(missing)} {escape(file.name)}, {decimal(file.size_bytes)}')
        download(file, output)
