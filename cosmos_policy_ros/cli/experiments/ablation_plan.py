# SPDX-License-Identifier: Apache-2.0
"""The stages of `cosmos-policy ablate`, and the rows that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.ablate import AblateOptions
from cosmos_policy_ros.cli.evaluate import EvaluateOptions, RESULT_NAME
from cosmos_policy_ros.cli.experiments.ablation_table import (
    AblationRow, check_document, write_ablations)
from cosmos_policy_ros.cli.experiments.ablation_variants import (
    denoising_variants, DenoisingVariant, planning_variants, PlanningVariant, trained_variants,
    TrainedVariant, Variant)
from cosmos_policy_ros.cli.experiments.checkpoint_validation import validate_checkpoint
from cosmos_policy_ros.cli.experiments.evaluation_stage import evaluation_stage
from cosmos_policy_ros.cli.experiments.stage import Experiment, Stage, StageRecord
from cosmos_policy_ros.cli.experiments.training_stage import action_errors, training_stage
from cosmos_policy_ros.cli.task_name import TaskName
from cosmos_policy_ros.cli.train import TrainOptions
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.evaluation_result import load_result
from cosmos_policy_ros.recording.episode import load_metadata
from cosmos_policy_ros.simulation.tasks import TASKS
from cosmos_policy_ros.training.prepared_episode import find_episodes

_VALIDATION = 'validate_checkpoint'


def run_ablations(options: AblateOptions, console: Console) -> list[AblationRow]:
    """Run all stages and write the table.

    Raises:
        CosmosPolicyError: If the options contradict each other or a stage cannot be done.
        KeyboardInterrupt: If the user stops it.
    """
    if options.document is not None:
        check_document(options.document)
    plan = AblationPlan(options, console)
    rows = plan.rows(Experiment(options.output, plan.stages(), console).run())
    write_ablations(rows, options.output, options.document, console)
    return rows


class AblationPlan:
    """What is trained and evaluated, in which order, and where the results go.

    Args:
        options: What the user asked for.
        console: Where stages show how far they are.

    Raises:
        CosmosPolicyError: If data or checkpoints are not there or do not fit.
    """

    def __init__(self, options: AblateOptions, console: Console) -> None:
        _check(options)
        self._options, self._console = options, console
        self._trained = trained_variants()
        self._checkpoint_task = options.checkpoint_task or options.task
        self._denoising = denoising_variants() if options.checkpoint else []
        self._planning = planning_variants() if options.planning_checkpoint else []

    def stages(self) -> list[Stage]:
        """Return the stages, in order: the reference of a group is its first."""
        is_same_task = self._checkpoint_task == self._options.task
        stages = [self._validate()] if self._denoising and is_same_task else []
        # What was trained before is evaluated while the user may still be looking.
        stages += map(self._evaluate, (*self._denoising, *self._planning))
        for variant in self._trained:
            stages += [training_stage(f'train_{variant.name}', f'train: {variant.text}',
                                      self._training(variant)), self._evaluate(variant)]
        return stages

    def rows(self, records: Mapping[str, StageRecord]) -> list[AblationRow]:
        """Return the rows of the table.

        Args:
            records: All stages, done.

        Raises:
            ConfigurationError: If the data changed between two trainings.
        """
        self._check_data(records)
        variants = (*self._trained, *self._denoising, *self._planning)
        results = {variant.name: load_result(self._output(variant) / RESULT_NAME)
                   for variant in variants}
        return [AblationRow(
            text=variant.text, task=self._task(variant), expected=variant.expected,
            paper=variant.paper, result=results[variant.name],
            reference=results[variant.reference],
            is_reference=variant.name == variant.reference,
            **self._facts(variant, records)) for variant in variants]

    def _facts(self, variant: Variant, records: Mapping[str, StageRecord]) -> dict[str, Any]:
        elapsed_s = records[f'evaluate_{variant.name}'].elapsed_s
        if isinstance(variant, TrainedVariant):
            training = records[f'train_{variant.name}']
            errors = action_errors(training.facts)
            return {'training_seed': self._options.training_seed,
                    'action_error': errors[max(errors)] if errors else None,
                    'elapsed_s': elapsed_s + training.elapsed_s}
        error = None
        if isinstance(variant, DenoisingVariant) and _VALIDATION in records:
            error = action_errors(records[_VALIDATION].facts).get(variant.num_steps)
        return {'training_seed': None, 'action_error': error, 'elapsed_s': elapsed_s}

    def _check_data(self, records: Mapping[str, StageRecord]) -> None:
        seen = {records[f'train_{variant.name}'].facts['data_identity']
                for variant in self._trained}
        if len(seen) > 1:
            raise ConfigurationError(
                f'the variants in {self._options.output} learned from different data '
                f'({", ".join(sorted(seen))}): episodes came or went in between; begin again in '
                'another output')

    def _training(self, variant: TrainedVariant) -> TrainOptions:
        options, batches = self._options, variant.training.batches
        return TrainOptions(
            data=options.data, output=options.output / variant.name / 'training',
            config=options.config, steps=options.steps, new_tasks=True,
            cache=options.cache or options.output / 'prepared', threads=options.threads,
            processes=options.processes, device=options.device, training=replace(
                variant.training, batches=replace(batches, seed=options.training_seed)))

    def _validate(self) -> Stage:
        options, base = self._options, self._training(self._trained[0])
        steps = sorted(variant.num_steps for variant in self._denoising)
        return Stage(
            name=_VALIDATION, title=f'sample chunks of {options.checkpoint}', results=[],
            settings={'checkpoint': options.checkpoint, 'num_steps': steps,
                      'data': [str(path) for path in options.data]},
            run=lambda: validate_checkpoint(options.checkpoint, base, steps, self._console))

    def _evaluate(self, variant: Variant) -> Stage:
        options = self._options
        common = EvaluateOptions(
            checkpoint=options.checkpoint, task=self._task(variant), episodes=options.episodes,
            seed=options.seed, common_noise=True, fresh_noise=True, future_steps=1,
            value_steps=1, timeout_s=options.timeout_s, workers=options.workers,
            device=options.device, output=self._output(variant))
        changes: dict[str, object] = {}
        if isinstance(variant, TrainedVariant):
            changes = {'checkpoint': str(self._training(variant).output / 'model')}
        elif isinstance(variant, DenoisingVariant):
            changes = {'denoising_steps': variant.num_steps}
        elif isinstance(variant, PlanningVariant):
            changes = {'mode': 'planning', 'num_candidates': variant.num_candidates,
                       'candidate_spread': options.candidate_spread,
                       'planning_checkpoint': options.planning_checkpoint}
        return evaluation_stage(f'evaluate_{variant.name}', f'evaluate: {variant.text}',
                                replace(common, **changes), self._console)

    def _task(self, variant: Variant) -> TaskName:
        is_trained = isinstance(variant, TrainedVariant)
        return self._options.task if is_trained else self._checkpoint_task

    def _output(self, variant: Variant) -> Path:
        return self._options.output / variant.name / 'evaluation'


def _check(options: AblateOptions) -> None:
    """Refuse at once what would be refused hours later."""
    if options.planning_checkpoint and not options.checkpoint:
        raise ConfigurationError(
            f'planning_checkpoint {options.planning_checkpoint} values what a policy proposes; '
            'give that policy as checkpoint')
    for name in filter(None, (options.checkpoint, options.planning_checkpoint)):
        find_checkpoint(name)
    task = TASKS[options.task].text
    known = {load_metadata(path).task for folder in options.data for path in find_episodes(folder)}
    if task not in known:
        raise ConfigurationError(
            f'data {", ".join(map(str, options.data)) or "is empty and"} has no episode of '
            f'{options.task}, {task!r}; it has {", ".join(map(repr, sorted(known))) or "none"}')
