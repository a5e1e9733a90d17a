# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy collect`: demonstrations of the scripted expert, faster than real time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
import tyro

from cosmos_policy_ros.cli.stopped import say_stopped
from cosmos_policy_ros.cli.task_name import TaskName


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


def collect(options: CollectOptions) -> int:
    """Record demonstrations of the scripted expert on the simulated robot.

    Needs no ROS graph and no real time: the arm controller, the driver and the cameras run on a
    virtual clock. Each episode is one that `ros2 bag` reads, as the recorder node writes them;
    failed attempts are kept apart in `failures`. The same seed gives the same episode. A second
    run goes on where the first one ended; one with other options is refused.
    """
    from cosmos_policy_ros.cli.collection_run import collect_demonstrations
    from cosmos_policy_ros.evaluation.demonstration import FAILURES
    console = Console()
    try:
        collection = collect_demonstrations(options, console)
    except KeyboardInterrupt:
        return say_stopped(console, options.output)
    console.print(f'{collection.num_kept} demonstrations in {options.output}; '
                  f'{collection.num_failed} failed attempts in {options.output / FAILURES}',
                  soft_wrap=True)
    return 0
