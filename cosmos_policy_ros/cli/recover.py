# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy recover`: what a crash, a kill or a power cut left becomes complete episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.progress import track
import tyro

from cosmos_policy_ros.errors import RecordingError


def recover(
    path: Annotated[Path, tyro.conf.Positional], *, all: bool = False,
) -> int:
    """Make complete episodes of interrupted recordings.

    While an episode is being recorded its folder ends in .partial. If the recorder dies, the
    folder stays; what had reached the disk until half a second before is in it. This command
    rewrites it as a complete episode without a label. What there was is replaced only once the
    new file is on the disk, so it may be interrupted and repeated. Complete episodes are not
    touched.

    Args:
        path: Folder of the episode or its MCAP file; with --all the folder that holds episodes.
        all: Recover every interrupted episode in the folder.
    """
    from cosmos_policy_ros.recording.recover import partial_episodes
    console = Console()
    folders = partial_episodes(path) if all else [path]
    if not folders:
        console.print(f'nothing to recover: no folder in {path} ends in .partial')
        return 0
    refused = 0
    for folder in track(folders, 'recovering', console=console, transient=True):
        refused += not _recover(folder, console)
    return 1 if refused else 0


def _recover(folder: Path, console: Console) -> bool:
    from cosmos_policy_ros.recording.recover import recover as recover_episode
    try:
        done = recover_episode(folder)
    except RecordingError as error:
        console.print(f'[bold red]refused:[/] {escape(str(error))}', highlight=False,
                      soft_wrap=True)
        return False
    if done.was_complete:
        console.print(f'{done.path} is complete: {done.messages} messages', soft_wrap=True)
        return True
    console.print(f'[green]recovered[/] {done.path}: {done.messages} messages, '
                  f'{done.duration_s:.1f} s; {done.dropped_bytes} bytes were cut off or damaged',
                  soft_wrap=True)
    return True
