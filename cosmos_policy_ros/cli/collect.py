# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy collect`: demonstrations of the scripted expert, faster than real time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
import tyro

from cosmos_policy_ros import __version__
from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.cli.kept_settings import keep_settings
from cosmos_policy_ros.cli.stopped import say_stopped
from cosmos_policy_ros.cli.task_name import TaskName
from cosmos_policy_ros.worker_pool import WorkerPool
from cosmos_policy_ros.evaluation.demonstration import (
    Demonstration, DemonstrationSettings, Demonstrator, episode_name, FAILURES)
from cosmos_policy_ros.evaluation.episode_topics import episode_topics

_SETTINGS = 'collection.json'


@dataclass(frozen=True, kw_only=True)
class CollectOptions:
    """What to collect.

    Attributes:
        output: Folder that receives the episodes; those in it already are kept and counted.
        task: Task of the simulated robot.
        episodes: Successful demonstrations wanted.
        seed: Seed of the first attempt; each further attempt takes the next one.
        max_disturbance_rad: Largest standard deviation of the offset that disturbs the arms in
            [rad]; every episode draws its own between 0 and this.
        miss_share: Share of demonstrations that close too early first, above the cube, and notice
            when they are to hand it over, as a hurried operator does. A policy that learnt from
            them misses too, and recovers; planning can choose not to miss.
        takes: How often every scene is shown, alike at first: with two takes and a miss_share of
            0.5 one misses and one does not. What one image is followed by differs then, and a
            policy that learnt from it decides by chance, not by the image.
        recorded_image_rate_hz: Images of each camera that are recorded in [Hz], a whole fraction
            of 25; drawing them is most of what a demonstration costs.
        workers: Processes; each takes one core.
        robot: Robot preset, a file name in config/robots.
    """

    output: Annotated[Path, tyro.conf.arg(aliases=['-o'])] = Path('demonstrations')
    task: TaskName = 'transfer_cube'
    episodes: int = 220
    seed: int = 1000
    max_disturbance_rad: float = 0.03
    miss_share: float = 0.0
    takes: int = 1
    recorded_image_rate_hz: float = 25.0
    workers: Annotated[int, tyro.conf.arg(aliases=['-j'])] = 1
    robot: str = 'interbotix'


_options: CollectOptions | None = None


@dataclass(frozen=True, kw_only=True)
class Collection:
    """What a collection came to.

    Attributes:
        num_kept: Successful demonstrations.
        num_failed: Attempts that failed.
    """

    num_kept: int
    num_failed: int


@dataclass
class _Tally:
    kept: int = 0
    failed: int = 0
    running: set[Future] = field(default_factory=set)


def collect(options: CollectOptions) -> int:
    """Record demonstrations of the scripted expert on the simulated robot.

    Needs no ROS graph and no real time: the arm controller, the driver and the cameras run on a
    virtual clock. Each episode is one that `ros2 bag` reads, as the recorder node writes them;
    failed attempts are kept apart in `failures`. The same seed gives the same episode. A second
    run goes on where the first one ended; one with other options is refused.
    """
    console = Console()
    try:
        collection = collect_demonstrations(options, console)
    except KeyboardInterrupt:
        return say_stopped(console, options.output)
    console.print(f'{collection.num_kept} demonstrations in {options.output}; '
                  f'{collection.num_failed} failed attempts in {options.output / FAILURES}',
                  soft_wrap=True)
    return 0


def collect_demonstrations(options: CollectOptions, console: Console) -> Collection:
    """Record the demonstrations that are still missing, with a bar on the console.

    Raises:
        CosmosPolicyError: If a setting is impossible or another than that of the demonstrations
            in the output, the robot or the task is unknown, or the disk refuses.
    """
    demonstration_settings(options)
    load_preset(options.robot)
    keep_settings(options.output / _SETTINGS, collection_settings(options))
    tally = _Tally()
    with WorkerPool(options.workers, _set_options, options) as pool, \
            _progress(console) as progress:
        bar = progress.add_task('collecting', total=options.episodes)
        for _ in _run(pool, options, tally):
            progress.update(bar, completed=tally.kept,
                            description=f'{tally.kept} kept, {tally.failed} failed')
    return Collection(num_kept=tally.kept, num_failed=tally.failed)


def demonstration_settings(options: CollectOptions) -> DemonstrationSettings:
    """Return how demonstrations are made.

    Raises:
        ConfigurationError: If the options are impossible.
    """
    return DemonstrationSettings(
        task=options.task, max_disturbance_rad=options.max_disturbance_rad,
        miss_share=options.miss_share, takes=options.takes,
        recorded_image_rate_hz=options.recorded_image_rate_hz, software_version=__version__)


def collection_settings(options: CollectOptions) -> dict[str, Any]:
    """Return what all demonstrations of a folder share; a later seed or more of them only add."""
    return {name: getattr(options, name) for name in (
        'task', 'max_disturbance_rad', 'miss_share', 'takes', 'recorded_image_rate_hz', 'robot')}


def _run(pool: WorkerPool, options: CollectOptions, tally: _Tally) -> Iterator[None]:
    """Try seed after seed, never more than are still wanted at once; yield at every outcome."""
    attempts = ((seed, take) for seed in count(options.seed) for take in range(options.takes))
    while tally.kept < options.episodes:
        while (len(tally.running) < min(2 * options.workers, options.episodes - tally.kept)):
            attempt = next(attempts)
            done = _known_outcome(options.output, *attempt)
            if done is None:
                tally.running.add(pool.submit(_record, options.output, *attempt))
            else:
                _count(tally, done)
            yield
        for future in wait(tally.running, return_when=FIRST_COMPLETED).done:
            tally.running.remove(future)
            _count(tally, future.result().is_success)
            yield


def _count(tally: _Tally, is_success: bool) -> None:
    tally.kept += is_success
    tally.failed += not is_success


def _known_outcome(output: Path, seed: int, take: int) -> bool | None:
    name = episode_name(seed, take)
    if (output / name).is_dir():
        return True
    return False if (output / FAILURES / name).is_dir() else None


def _set_options(options: CollectOptions) -> None:
    global _options
    _options = options


def _record(output: Path, seed: int, take: int) -> Demonstration:
    return _demonstrator().record(output, seed, take)


# Built by the first episode and not by the process: only what an episode raises reaches the user.
@cache
def _demonstrator() -> Demonstrator:
    preset = load_preset(_options.robot)
    return Demonstrator(preset.robot, episode_topics(preset.robot, preset.names),
                        demonstration_settings(_options))


def _progress(console: Console) -> Progress:
    return Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                    TimeRemainingColumn(), console=console)
