# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy ablate`: what each part of the recipe is worth, at the size of a laptop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
import tyro

from cosmos_policy_ros.cli.stopped import say_stopped
from cosmos_policy_ros.cli.task_name import TaskName


@dataclass(frozen=True, kw_only=True)
class AblateOptions:
    """What to vary, and on what.

    Attributes:
        data: Folders of recorded episodes; every variant learns from the same.
        output: Folder of all results. The same command goes on with what it holds.
        task: Task of the simulated robot; it must be that of the data.
        checkpoint_task: Task of the given checkpoints; `task` if left out. Errors of their chunks
            are measured only where `data` show it.
        steps: Steps of every training.
        episodes: Episodes of every evaluation, all on the same seeds.
        seed: Seed of the first episode.
        training_seed: Seed of first weights and of training samples.
        checkpoint: A fully trained checkpoint: also vary its denoising steps (1, 2, 5, 10).
        planning_checkpoint: A refined checkpoint: also plan with `checkpoint` and this one,
            choosing from 1, 2, 4 and 8 chunks.
        document: Put the table into this Markdown file, between its two markers.
        config: Known model, or path of a config.json, that says what is trained.
        cache: Folder for prepared episodes; `prepared` in the output if left out.
        timeout_s: Virtual time after which an episode has failed in [s].
        workers: Processes that evaluate; each takes one core. 0 evaluates in this one.
        candidate_spread: How far all chunks that planning chooses from, but the first, are moved
            at random (standard deviation) in [rad].
        threads: CPU threads of each training process.
        processes: CPU processes that share every batch, as of `train`.
        device: Torch device; auto takes a GPU where there is one.
    """

    data: tuple[Path, ...]
    output: Annotated[Path, tyro.conf.arg(aliases=['-o'])] = Path('ablations')
    task: TaskName = 'transfer_cube'
    checkpoint_task: TaskName | None = None
    steps: int = 600
    episodes: int = 50
    seed: int = 5000
    training_seed: int = 0
    checkpoint: str = ''
    planning_checkpoint: str = ''
    document: Path | None = None
    config: str = 'aloha_small'
    cache: Path | None = None
    timeout_s: float = 20.0
    workers: Annotated[int, tyro.conf.arg(aliases=['-j'])] = 2
    candidate_spread: float = 0.0
    threads: int = 2
    processes: int = 1
    device: str = 'auto'


def ablate(options: AblateOptions) -> int:
    """Leave parts of the recipe out, one at a time, and evaluate what is left in closed loop.

    Trains five short variants of the small model on the same data with the same seed and steps:
    everything; no auxiliary targets; actions alone; no world-model and value samples; log-normal
    noise alone. Given checkpoints, it also varies denoising steps and planning candidates. All
    are evaluated on the same seeds, each against the reference of its group.

    The table, with what the paper found beside it, goes to ablations.md and ablations.json in the
    output folder and, with --document, into that document. Takes hours with the defaults; Ctrl-C
    stops at any time: what is done stays done, and the same command goes on.
    """
    from cosmos_policy_ros.cli.experiments.ablation_plan import run_ablations
    console = Console()
    try:
        run_ablations(options, console)
    except KeyboardInterrupt:
        return say_stopped(console, options.output)
    return 0
