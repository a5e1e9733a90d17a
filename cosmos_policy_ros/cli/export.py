# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy export`: recorded episodes in the data formats of others."""

from __future__ import annotations

import os
from pathlib import Path
import time
from typing import Annotated, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
import tyro

from cosmos_policy_ros.cli.episode_choices import OutcomeChoice

Format = Literal['aloha_hdf5', 'cosmos', 'cosmos_rollout', 'lerobot_v3', 'lerobot_v21']


def export(
    episodes: Annotated[tuple[Path, ...], tyro.conf.Positional], *, format: Format, output: Path,
    rate_hz: float = 25.0, cameras: tuple[str, ...] = (),
    images: Literal['jpeg', 'mp4'] | None = None, outcome: OutcomeChoice | None = None,
    max_gap_s: float = 0.5, processes: int = 0, overwrite: bool = False,
) -> int:
    """Write episodes as ALOHA/ACT HDF5, Cosmos Policy's layouts or a LeRobot data set.

    Messages become steps at a steady rate by the time they were true at: the newest image not
    newer than the step, measured joints interpolated by name, and as action the command in force
    one period later. An interrupted export goes on where it was; episodes that are in the output
    already are skipped. An episode with gaps or without a camera is refused and named, the others
    go on.

    Args:
        episodes: Folders of episodes, or folders that hold episodes at any depth.
        format: aloha_hdf5: episode_N.hdf5 as ALOHA and ACT read them. cosmos: demonstrations for
            Cosmos Policy's trainer, 256 x 256 videos. cosmos_rollout: rollouts with success and
            score. lerobot_v3, lerobot_v21: LeRobot data sets.
        output: Folder of the results; new, or that of an export to go on with.
        rate_hz: Steps per second; 25 is what Cosmos Policy is trained at, 50 what ACT is.
        cameras: Cameras to write; all that were recorded if none is named. The layouts of Cosmos
            Policy always have cam_high, cam_left_wrist and cam_right_wrist.
        images: cosmos_rollout only: arrays of JPEGs (the default), or one video per camera.
        outcome: Only episodes that ended so.
        max_gap_s: Refuse episodes in which images or measurements pause longer, in [s].
        processes: Episodes written at a time; 0 for one per core.
        overwrite: Delete an earlier export in the output and begin anew.
    """
    from cosmos_policy_ros.cli.episode_sources import named_episodes, source_of
    from cosmos_policy_ros.recording.episode_list import EpisodeFilter
    from cosmos_policy_ros.recording.exchange.export_run import run_export
    from cosmos_policy_ros.recording.exchange.formats import make_exporter
    from cosmos_policy_ros.recording.resample import ResampleSettings
    console = Console()
    exporter = make_exporter(format, cameras=cameras, images=images)
    found = named_episodes(episodes, EpisodeFilter(outcome=outcome))
    total = sum(episode.duration_s for episode in found) * rate_hz
    begin_s = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task(f'{len(found)} episodes to {format}', total=total)
        result = run_export(
            [source_of(episode) for episode in found], output, exporter,
            ResampleSettings(rate_hz=rate_hz, max_gap_s=max_gap_s),
            processes=processes or os.cpu_count() or 1, overwrite=overwrite,
            on_progress=lambda steps: progress.update(task, completed=steps))
    took_s = time.monotonic() - begin_s
    for reason in result.refused.values():
        console.print(f'[bold red]refused:[/] {escape(reason)}', highlight=False, soft_wrap=True)
    console.print(
        f'{output}: {result.written} exported, {result.skipped} there already, '
        f'{len(result.refused)} refused', highlight=False, soft_wrap=True)
    if result.steps:
        robot_s = result.steps / rate_hz
        console.print(f'{result.steps} steps, {robot_s:.1f} s of robot time in {took_s:.1f} s: '
                      f'{robot_s / took_s:.1f} times real time', highlight=False)
    return 1 if result.refused else 0


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}'), BarColumn(),
        TextColumn('{task.completed:.0f} of about {task.total:.0f} steps'),
        TimeRemainingColumn(), console=console, transient=True)
