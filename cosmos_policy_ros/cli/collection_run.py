# SPDX-License-Identifier: Apache-2.0
"""A run of `cosmos-policy collect`: attempt after attempt in worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from cosmos_policy_ros import __version__
from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.cli.collect import CollectOptions
from cosmos_policy_ros.cli.episode_progress import episode_progress
from cosmos_policy_ros.cli.kept_settings import keep_settings
from cosmos_policy_ros.evaluation.demonstration import (
    Demonstration, DemonstrationSettings, Demonstrator, episode_name, FAILURES)
from cosmos_policy_ros.evaluation.episode_topics import episode_topics
from cosmos_policy_ros.worker_pool import WorkerPool

_SETTINGS = 'collection.json'

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
            episode_progress(console) as progress:
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
