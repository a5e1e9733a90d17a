# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy import`: data sets of others as episodes of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
import tyro

from cosmos_policy_ros import __version__
from cosmos_policy_ros.bringup import load_preset


def import_(
    path: Annotated[Path, tyro.conf.Positional], *,
    format: Literal['aloha_hdf5', 'cosmos', 'lerobot'], output: Path,
    rate_hz: float | None = None, task: str = '',
    joint_order: Literal['auto', 'left_first', 'right_first'] = 'auto',
    swap_red_blue: bool = False, demonstrations: bool = False, robot: str = 'interbotix',
    overwrite: bool = False,
) -> int:
    """Make episodes of ALOHA/ACT HDF5 files, Cosmos Policy's layouts or a LeRobot data set.

    Episodes are read and written step by step, whatever their size. Those that are in the output
    already are skipped. Look at one with `cosmos-policy view` before you train on them: HDF5 files
    do not say in which order their colours and joints are.

    Args:
        path: A file, or the folder of the data set.
        format: aloha_hdf5: ALOHA and ACT, plain or compressed. cosmos: demonstrations and
            rollouts of Cosmos Policy. lerobot: LeRobot 2.1 and 3.0.
        output: Folder that receives the episodes.
        rate_hz: Steps per second where the files do not say it; by default 50 for aloha_hdf5 and
            25 for cosmos. Refused where the files say otherwise.
        task: Text of the task where the files have none.
        joint_order: auto believes the joint names of the files and takes left first without
            names; right_first is for data recorded with branch 2.0 of Interbotix' aloha,
            left_first for data sets whose names are wrong.
        swap_red_blue: Exchange red and blue, for files that were written the other way.
        demonstrations: The data show people who did the task, and succeeded, where the files do
            not say otherwise. Training imitates such episodes; without this they are of nobody
            known, and unlabelled.
        robot: Preset whose topics and gripper constants the episodes get.
        overwrite: Replace episodes of the same name.
    """
    from cosmos_policy_ros.recording.exchange.formats import open_episodes
    from cosmos_policy_ros.recording.exchange.import_run import ImportTarget, run_import
    from cosmos_policy_ros.recording.exchange.importer import ImportOptions
    console = Console()
    preset = load_preset(robot)
    found = open_episodes(path, format, ImportOptions(
        rate_hz=rate_hz, task=task, joint_order=joint_order, swap_red_blue=swap_red_blue,
        are_demonstrations=demonstrations))
    with Progress(SpinnerColumn(), TextColumn('{task.description}'), TimeElapsedColumn(),
                  console=console, transient=True) as progress:
        bar = progress.add_task('reading', total=None)
        result = run_import(
            found, ImportTarget(output=output, robot=preset.robot, names=preset.names,
                                software_version=__version__, overwrite=overwrite),
            on_progress=lambda name, steps: progress.update(
                bar, description=f'{name}: {steps} steps in all'))
    for name, reason in result.refused.items():
        console.print(f'[bold red]refused:[/] {escape(name)}: {escape(reason)}', highlight=False,
                      soft_wrap=True)
    console.print(
        f'{output}: {result.written} imported ({result.steps} steps), {result.skipped} there '
        f'already, {len(result.refused)} refused', highlight=False, soft_wrap=True)
    return 1 if result.refused else 0
