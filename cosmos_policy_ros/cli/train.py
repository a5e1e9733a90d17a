# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy train`: recorded episodes to a policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from cosmos_policy_ros.training.settings import small_model_settings, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to train, on what, and for how long.

    Attributes:
        data: Folders of recorded episodes; each may also be one episode.
        output: Folder of the run: checkpoints, log and, at the end, `model`.
        config: Known model, or path of a config.json, that says what is to be trained.
        sigma_min: Noise level that chunks are sampled down to; that of `config` if left out. A
            lower one lets a policy that saw one image followed by different actions choose one,
            where a higher one gives their mean; `training.noise.log_mean` must reach it.
        steps: Steps of the run.
        minutes: Time of the run in [min], instead of steps.
        init: Checkpoint, or file of weights, to begin with; random weights if left out. Its
            statistics and its task embeddings are kept.
        new_statistics: Scale actions and joints by the data instead of as the weights to begin
            with did, for data that reach further than what those learned from.
        new_tasks: Give tasks without a text embedding a random one, the same for the same text;
            for small models, which learn what a task means from its episodes alone.
        resume: Go on with the run in `output` from its newest checkpoint.
        cache: Folder for prepared episodes; `prepared` beside the first data folder if left out.
        threads: CPU threads of each process; as many processes prepare episodes as there are
            threads in all.
        processes: CPU processes that share every batch; two with a thread each train a small
            model a quarter faster than one with two threads.
        workers: Processes that read batches ahead; 0 reads them between steps.
        device: Torch device; auto takes a GPU where there is one.
        validation_share: Share of successful demonstrations that are only looked at to see how
            good the model is.
        validation_samples: Samples of each look.
        validation_minutes: Time between looks in [min].
        checkpoint_minutes: Time between checkpoints in [min].
        shard: Spread weights and optimiser over the processes of torchrun (FSDP), for models that
            do not fit into one GPU with them.
        dry_run: Prepare the data, say how much memory a step takes, and train nothing.
        tensorboard: Also write a TensorBoard log into `output`.
        training: Everything else; the defaults train the small model.
    """

    data: tuple[Path, ...]
    output: Annotated[Path, tyro.conf.arg(aliases=['-o'])] = Path('training')
    config: str = 'aloha_small'
    sigma_min: float | None = None
    steps: int | None = None
    minutes: float | None = None
    init: str | None = None
    new_statistics: bool = False
    new_tasks: bool = False
    resume: bool = False
    cache: Path | None = None
    threads: int = 2
    processes: int = 1
    workers: int = 0
    device: str = 'auto'
    validation_share: float = 0.05
    validation_samples: int = 64
    validation_minutes: float = 5.0
    checkpoint_minutes: float = 10.0
    shard: bool = False
    dry_run: bool = False
    tensorboard: bool = False
    training: TrainingSettings = field(default_factory=small_model_settings)


def train(options: TrainOptions) -> int:
    """Train a policy, its world model and its value on recorded episodes.

    Episodes are read once into a cache of small images. Ctrl-C ends a run early, with a
    checkpoint; the same command with --resume goes on. Weights, statistics and configuration are
    in the `model` folder of the output, which every other command takes as a checkpoint.

    On several GPUs: torchrun --nproc-per-node 8 -m cosmos_policy_ros.cli.main train ...
    """
    from cosmos_policy_ros.cli.training_run.session import run_session
    run_session(options)
    return 0
