# SPDX-License-Identifier: Apache-2.0
"""One run of `cosmos-policy train`, from its options to the exported model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
import os
from pathlib import Path
import time
from typing import TYPE_CHECKING

from rich.console import Console
import torch
from torch import distributed
from torch.utils.data import DataLoader

from cosmos_policy_ros.cli.training_run.companions import check_companions, companions
from cosmos_policy_ros.cli.training_run.data import read_data
from cosmos_policy_ros.cli.training_run.start import (
    as_trained, build_trainer, check_same_run, describe_run, find_config, find_statistics,
    find_texts, newest_checkpoint, num_processes, resume_trainer)
from cosmos_policy_ros.cli.training_run.view import RunView
from cosmos_policy_ros.cli.warning import say_warning
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.policy.device import choose_device, limit_threads
from cosmos_policy_ros.training.adapters import adapter_weights, merged_model
from cosmos_policy_ros.training.budget import Budget, Stopwatch
from cosmos_policy_ros.training.loss import TrainingBatch
from cosmos_policy_ros.training.memory import step_memory
from cosmos_policy_ros.training.run_folder import RunFolder
from cosmos_policy_ros.training.settings import SampleSettings
from cosmos_policy_ros.training.sharding import gathered_model
from cosmos_policy_ros.training.training_set import LabelledEpisode, TrainingSet
from cosmos_policy_ros.training.validation import validate

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.train import TrainOptions


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        model: Folder of the model.
        is_complete: Whether the budget is spent; otherwise the user stopped it.
        num_steps: Steps of the run.
        elapsed_s: Time of the run, all its parts together, in [s].
        data_identity: Digest of what it learned from.
        validation: Errors at the end by number of denoising steps; empty without held-out data.
    """

    model: Path
    is_complete: bool
    num_steps: int
    elapsed_s: float
    data_identity: str
    validation: tuple[dict[str, float], ...]


def run_session(options: TrainOptions) -> TrainingResult | None:
    """Train, and return what came of it; None of a dry run."""
    if options.processes != 1:
        check_companions(options.processes, options.device)
        # Episodes are prepared by this process alone.
        read_data(options, find_config(options), Console())
        with companions(options.processes, partial(_run, options)):
            return _run(options)
    if 'RANK' not in os.environ:
        return _run(options)
    distributed.init_process_group('nccl' if torch.cuda.is_available() else 'gloo')
    try:
        return _run(options)
    finally:
        distributed.destroy_process_group()


def _run(options: TrainOptions) -> TrainingResult | None:
    session = Session(options)
    if not options.dry_run:
        return session.run()
    session.describe()
    return None


class Session:
    """One run.

    Args:
        options: What the user asked for.

    Raises:
        CosmosPolicyError: If something does not fit; nothing is trained then.
    """

    def __init__(self, options: TrainOptions) -> None:
        self._options = options
        limit_threads(options.threads)
        self._device = choose_device(options.device)
        self._rank = distributed.get_rank() if distributed.is_initialized() else 0
        self._console = Console(quiet=self._rank > 0)
        self._budget = Budget(steps=options.steps, minutes=options.minutes)
        self._folder = RunFolder(options.output)
        newest = newest_checkpoint(options, self._folder)
        self._config = find_config(options)
        self._data = read_data(options, self._config, self._console)
        self._config = as_trained(self._config, options, self._data)
        self._texts = find_texts(options, self._config, {
            item.task for item in (*self._data.learned, *self._data.held_out)})
        self._statistics = find_statistics(
            options, self._config, self._data, newest, self._console)
        self._set = self._training_set(self._data.learned, options.training.samples)
        self._card = describe_run(options, self._config, self._data)
        self._trainer = build_trainer(options, self._config, newest, self._device)
        self._before_s = 0.0
        if newest is not None:
            check_same_run(self._card, self._folder.read_card())
            self._before_s = resume_trainer(options, self._trainer, self._folder, newest)
        self._validation_batch: TrainingBatch | None = None

    def describe(self) -> None:
        """Say what would be trained, and the memory that a step takes in each process."""
        memory = step_memory(
            self._config, self._options.training.batches, is_sharded=self._options.shard,
            num_processes=num_processes())
        parts = ', '.join(f'{name} {size / 1e9:.2f}' for name, size in asdict(memory).items())
        self._console.print(
            f'{len(self._data.learned)} episodes with {len(self._set)} steps to learn from, '
            f'{len(self._data.held_out)} to validate on\n{memory.total / 1e9:.2f} GB in each '
            f'process: {parts}', highlight=False, soft_wrap=True)

    def run(self) -> TrainingResult:
        """Train until the budget is spent or the user stops it; write the model."""
        options, watch = self._options, Stopwatch(time.monotonic_ns, self._before_s)
        is_first = self._rank == 0
        if is_first:
            self._folder.write_card(self._card)
        view = RunView(self._console, self._folder, tensorboard=options.tensorboard and is_first)
        saved_s = validated_s = watch.elapsed_s
        is_complete = True
        try:
            with view:
                for batch in self._batches():
                    elapsed_s = watch.elapsed_s
                    progress = self._budget.progress(self._trainer.step, elapsed_s)
                    if progress >= 1:
                        break
                    report = self._trainer.learn(batch.to(self._device), progress=progress)
                    if is_first:
                        view.show(report, progress=progress, elapsed_s=elapsed_s,
                                  batch_size=options.training.batches.batch_size)
                    if elapsed_s - validated_s > 60 * options.validation_minutes:
                        self._validate(view)
                        validated_s = elapsed_s
                    if elapsed_s - saved_s > 60 * options.checkpoint_minutes:
                        self._try_to_save(elapsed_s)
                        saved_s = elapsed_s
        except KeyboardInterrupt:
            self._console.print('[yellow]stopped; --resume goes on from here[/]')
            is_complete = False
        return self._finish(view, watch.elapsed_s, is_complete)

    def _batches(self) -> Iterator[TrainingBatch]:
        first = self._trainer.step
        numbers = range(first, self._options.steps or first + (1 << 40))
        return iter(DataLoader(
            self._set, batch_size=None, sampler=numbers, num_workers=self._options.workers))

    def _finish(self, view: RunView, elapsed_s: float, is_complete: bool) -> TrainingResult:
        # The model first: if the disk has room for one thing, let it be this.
        self._export()
        self._save(elapsed_s)
        reports = self._validate(view)
        if self._rank == 0:
            self._folder.write_card({
                **self._card, 'steps': self._trainer.step, 'elapsed_s': round(elapsed_s, 1),
                'samples': self._trainer.step * self._options.training.batches.batch_size,
                'validation': reports})
        self._console.print(f'model written to {self._folder.model}', soft_wrap=True)
        return TrainingResult(
            model=self._folder.model, is_complete=is_complete, num_steps=self._trainer.step,
            elapsed_s=elapsed_s, data_identity=self._data.identity, validation=tuple(reports))

    def _try_to_save(self, elapsed_s: float) -> None:
        """Write a checkpoint; a disk that is full must not end the run."""
        try:
            self._save(elapsed_s)
            self._export()
        except CheckpointError as error:
            say_warning(self._console, error)

    def _save(self, elapsed_s: float) -> None:
        """Write a checkpoint from which a run goes on."""
        facts = {'elapsed_s': elapsed_s}
        if self._options.shard:
            self._folder.save_shards(
                facts, trainer=self._trainer, statistics=self._statistics,
                text_embeddings=self._texts)
        elif self._rank == 0:
            if self._options.training.batches.lora_rank:
                facts['adapters'] = adapter_weights(self._trainer.model.transformer)
            self._folder.save(
                {**self._trainer.state(), **facts}, model=self._whole(self._trainer.model),
                statistics=self._statistics, text_embeddings=self._texts)

    def _export(self) -> None:
        """Write the model as it is used: the running mean of its weights, if there is one."""
        with self._trainer.mean_weights() as model:
            whole = self._whole(model)
            if self._rank == 0:
                self._folder.export(
                    model=whole, statistics=self._statistics, text_embeddings=self._texts)

    def _validate(self, view: RunView) -> list[dict[str, float]]:
        if not self._data.held_out:
            return []
        if self._validation_batch is None:
            # What was set aside are demonstrations: there are policy samples of them, no others.
            samples = replace(self._options.training.samples, demonstration_share=1.0)
            self._validation_batch = self._training_set(self._data.held_out, samples).fixed(
                self._options.validation_samples, seed=0).to(self._device)
        steps = sorted({1, self._config.num_denoising_steps})
        with self._trainer.mean_weights() as model:
            reports = validate(model, self._validation_batch, self._statistics, steps)
        if self._rank == 0:
            view.show_validation(self._trainer.step, reports)
        return [asdict(report) for report in reports]

    def _training_set(
        self, episodes: list[LabelledEpisode], samples: SampleSettings,
    ) -> TrainingSet:
        training = self._options.training
        return TrainingSet(
            episodes, config=self._config, statistics=self._statistics,
            texts=self._texts.by_task, samples=samples, noise=training.noise,
            batch_size=training.batches.batch_size, seed=training.batches.seed,
            rank=self._rank, num_processes=num_processes())

    def _whole(self, model: CosmosModel) -> CosmosModel:
        """Return the model with weights under their own names, as others load it."""
        if self._options.shard:
            return gathered_model(model)
        return merged_model(model) if self._options.training.batches.lora_rank else model
