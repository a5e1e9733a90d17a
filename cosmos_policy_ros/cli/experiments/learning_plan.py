# SPDX-License-Identifier: Apache-2.0
"""The stages of `cosmos-policy learn`, and who is compared with whom at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math
from pathlib import Path
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.collect import CollectOptions
from cosmos_policy_ros.cli.collection_run import (
    collect_demonstrations, collection_settings, demonstration_settings)
from cosmos_policy_ros.cli.evaluate import EvaluateOptions, RESULT_NAME
from cosmos_policy_ros.cli.experiments.evaluation_stage import evaluation_stage
from cosmos_policy_ros.cli.experiments.learning_report import (
    DIRECT, LearningReport, print_report, Q, REFINED, UNREFINED, write_report)
from cosmos_policy_ros.cli.experiments.stage import Experiment, Stage
from cosmos_policy_ros.cli.experiments.training_stage import training_stage
from cosmos_policy_ros.cli.experiments.video_stage import video_stage
from cosmos_policy_ros.cli.learn import LearnOptions
from cosmos_policy_ros.cli.train import TrainOptions
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.evaluation_result import load_result
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.training.settings import (
    NoiseSettings, OptimiserSettings, small_model_settings, TrainingSettings)

# 10 % policy, 45 % world-model and 45 % value samples, as the published planning model.
REFINEMENT_SHARE = 0.1
# Trained weights need no plateau: at the full rate they first unlearn for minutes.
_SECOND_RATE = 0.5
# Joints, images and value are known well enough by then to plan with.
_POLISH_SHARE = 0.85
# The images, mostly noise, would have nearly all of the gradient; where the joints end is what an
# action says first, and the value is what planning asks for.
_REFINEMENT_WEIGHTS = {'proprio_weight': 10.0, 'value_weight': 3.0}
# A single denoising step is one call at the highest level, 80: levels from 66 to 93, that is these
# times the root of eleven latent frames, are all that matters then.
_ONE_STEP_NOISE = NoiseSettings(uniform_low=20.0, uniform_high=28.0, uniform_share=1.0)
_POLICY, _POLISHED, _REFINED_MODEL, _Q_MODEL = 'policy', 'polished', 'refined', 'refined_q'


def run_learning(options: LearnOptions, console: Console) -> LearningReport:
    """Run all stages and write the report.

    Raises:
        CosmosPolicyError: If the options contradict each other or a stage cannot be done.
        KeyboardInterrupt: If the user stops it.
    """
    plan = LearningPlan(options, console)
    records = Experiment(options.output, plan.stages(), console).run()
    report = LearningReport(
        task=options.task, is_quick=options.quick, records=records,
        results={way: load_result(folder / RESULT_NAME)
                 for way, folder in plan.evaluations.items()},
        videos=records['videos'].facts if 'videos' in records else {})
    write_report(report, options.output)
    print_report(report, options.output, console)
    return report


class LearningPlan:
    """What is done, in which order, and where its results go.

    Args:
        options: What the user asked for.
        console: Where stages show how far they are.

    Raises:
        CosmosPolicyError: If evaluation and rollouts share seeds, or there is nothing to begin
            with.
    """

    def __init__(self, options: LearnOptions, console: Console) -> None:
        self._options, self._console = options, console
        self._folder = options.output
        self._evaluated = range(
            options.evaluation_seed, options.evaluation_seed + options.episodes)
        self._rolled_out = range(options.rollout_seed, options.rollout_seed + options.rollouts)
        _check(options, self._evaluated, self._rolled_out)
        self._check_unseen()
        name = _POLISHED if options.polish_minutes else _POLICY
        self._policy = (
            str(self._folder / name / 'model') if options.minutes else str(options.init))

    @property
    def evaluations(self) -> dict[str, Path]:
        """Way of choosing chunks to the folder of its evaluation, in the order of a report."""
        ways = (DIRECT, UNREFINED, REFINED, *([Q] if self._options.q else []))
        return {way: self._folder / 'evaluations' / way for way in ways}

    def stages(self) -> list[Stage]:
        """Return the stages, in order."""
        options = self._options
        polishing = [self._polish()] if options.polish_minutes else []
        training = [self._train(), *polishing] if options.minutes else []
        with_q = [
            self._refine(_Q_MODEL, 'q', 'refine the Q value'),
            self._evaluate(Q, 'evaluate planning with the refined Q value')] if options.q else []
        videos = [self._film()] if options.videos else []
        return [self._collect(), *training, self._evaluate(DIRECT, 'evaluate the policy'),
                self._roll_out(),
                self._refine(_REFINED_MODEL, 'v_next', 'refine world model and value (v_next)'),
                self._evaluate(REFINED, 'evaluate planning with the refined model'), *with_q,
                self._evaluate(UNREFINED, 'evaluate planning with the policy itself'), *videos]

    def _collect(self) -> Stage:
        options = CollectOptions(
            output=self._folder / 'demonstrations', task=self._options.task,
            episodes=self._options.demonstrations, seed=self._options.demonstration_seed,
            miss_share=self._options.miss_share, takes=self._options.takes,
            recorded_image_rate_hz=self._options.demonstration_image_rate_hz,
            workers=max(1, self._options.workers))
        demonstration_settings(options)
        return Stage(
            name='collect', title=f'collect {options.episodes} demonstrations',
            results=[options.output], run=lambda: self._collect_unseen(options),
            settings={**collection_settings(options), 'demonstrations': options.episodes,
                      'seed': options.seed})

    def _collect_unseen(self, options: CollectOptions) -> Mapping[str, Any]:
        collection = collect_demonstrations(options, self._console)
        self._check_unseen()
        return {'kept': collection.num_kept, 'failed': collection.num_failed}

    def _check_unseen(self) -> None:
        """Refuse seeds that demonstrations took, how many attempts they needed shows only then."""
        taken = {int(path.name.removeprefix('episode_')) for path in
                 (self._folder / 'demonstrations').glob('**/episode_??????')}
        for name, seeds in (('evaluation_seed', self._evaluated),
                            ('rollout_seed', self._rolled_out)):
            if not taken.isdisjoint(seeds):
                raise ConfigurationError(
                    f'{name} is {seeds[0]}, and demonstrations took seeds {min(taken)} to '
                    f'{max(taken)}; choose one above')

    def _train(self) -> Stage:
        options = self._options
        return training_stage('train', f'train for {options.minutes:g} min', replace(
            self._training(_POLICY, options.minutes, self._policy_training(),
                           [self._folder / 'demonstrations'], options.init),
            new_statistics=True))

    def _polish(self) -> Stage:
        minutes, training = self._options.polish_minutes, self._policy_training()
        return training_stage(_POLISHED, f'polish the policy for {minutes:g} min', self._training(
            _POLISHED, minutes, replace(
                training, optimiser=_at_second_rate(training.optimiser),
                samples=replace(training.samples, demonstration_share=_POLISH_SHARE)),
            [self._folder / 'demonstrations'], str(self._folder / _POLICY / 'model')))

    def _policy_training(self) -> TrainingSettings:
        training = _of_new_images(small_model_settings())
        if self._options.sigma_min is None:
            return training
        # The most frequent levels keep their place: about the lowest that sampling comes to.
        return replace(training, noise=replace(
            training.noise, log_mean=math.log(self._options.sigma_min)))

    def _refine(self, name: str, value_kind: str, title: str) -> Stage:
        settings = _of_new_images(small_model_settings())
        is_one_step = self._options.future_steps == self._options.value_steps == 1
        training = replace(
            settings, loss=replace(settings.loss, value_kind=value_kind, **_REFINEMENT_WEIGHTS),
            optimiser=_at_second_rate(settings.optimiser),
            noise=_ONE_STEP_NOISE if is_one_step else settings.noise,
            samples=replace(
                settings.samples, demonstration_share=REFINEMENT_SHARE,
                # Takes of one scene show what an action changes; without them, demonstrations
                # only tell success by how an expert moves.
                demonstrations_are_rollouts=self._options.takes > 1, partial_scores=False))
        minutes = self._options.refinement_minutes
        return training_stage(name, f'{title} for {minutes:g} min', self._training(
            name, minutes, training,
            [self._folder / 'demonstrations', self._folder / 'rollouts'], self._policy))

    def _training(
        self, folder: str, minutes: float, training: TrainingSettings, data: Sequence[Path],
        init: str | None,
    ) -> TrainOptions:
        options = self._options
        return TrainOptions(
            data=tuple(data), output=self._folder / folder, config=options.config,
            sigma_min=options.sigma_min, minutes=minutes, init=init, new_tasks=True,
            cache=self._folder / 'prepared', threads=options.threads,
            processes=options.processes, device=options.device,
            training=replace(training, batches=replace(
                training.batches, seed=options.training_seed)))

    def _evaluate(self, way: str, title: str) -> Stage:
        return evaluation_stage(
            f'evaluate_{way}', f'{title} on {self._options.episodes} unseen seeds',
            self._evaluation(way), self._console)

    def _evaluation(self, way: str) -> EvaluateOptions:
        options = self._options
        model = {REFINED: _REFINED_MODEL, Q: _Q_MODEL}.get(way)
        return EvaluateOptions(
            checkpoint=self._policy, task=options.task,
            planning_checkpoint=str(self._folder / model / 'model') if model else '',
            episodes=options.episodes, seed=options.evaluation_seed,
            mode='direct' if way == DIRECT else 'planning', num_candidates=options.candidates,
            candidate_spread=options.candidate_spread, common_noise=True, fresh_noise=True,
            value_kind={UNREFINED: 'v_full', Q: 'q'}.get(way, 'v_next'),
            denoising_steps=options.denoising_steps, future_steps=options.future_steps,
            value_steps=options.value_steps, timeout_s=options.timeout_s,
            workers=options.workers, device=options.device,
            output=self._folder / 'evaluations' / way)

    def _roll_out(self) -> Stage:
        count, folder = self._options.rollouts, self._folder
        return evaluation_stage('roll_out', f'record {count} rollouts', replace(
            self._evaluation(DIRECT), episodes=count, seed=self._options.rollout_seed,
            exploration=self._options.exploration, record=folder / 'rollouts',
            timeout_s=self._options.rollout_timeout_s,
            recorded_image_rate_hz=self._options.rollout_image_rate_hz,
            output=folder / 'evaluations' / 'rollouts'), self._console)

    def _film(self) -> Stage:
        ways = {way: replace(self._evaluation(way), workers=0) for way in (DIRECT, REFINED)}
        return video_stage(ways[DIRECT], ways[REFINED], self._folder / 'videos', self._console)


def _at_second_rate(optimiser: OptimiserSettings) -> OptimiserSettings:
    return replace(optimiser, learning_rate=_SECOND_RATE * optimiser.learning_rate)


def _of_new_images(training: TrainingSettings) -> TrainingSettings:
    """Return settings whose samples begin and end where the cameras had just been recorded."""
    return replace(training, samples=replace(
        training.samples, max_image_age_s=CHUNK_PERIOD_S / 2))


def _check(options: LearnOptions, evaluated: range, rolled_out: range) -> None:
    for name in ('demonstrations', 'episodes', 'rollouts'):
        if getattr(options, name) < 1:
            raise ConfigurationError(f'{name} is {getattr(options, name)}; at least 1 is needed')
    if options.sigma_min is not None and not options.sigma_min > 0:
        raise ConfigurationError(f'sigma_min is {options.sigma_min}; a level above 0 is needed')
    if not options.minutes and options.init is None:
        raise ConfigurationError('minutes is 0, which takes init as it is; give an init')
    if options.init is not None:
        find_checkpoint(options.init)
    if _overlap(evaluated, rolled_out):
        raise ConfigurationError(
            f'evaluation and rollouts share seeds: {evaluated[0]} to {evaluated[-1]} and '
            f'{rolled_out[0]} to {rolled_out[-1]}; move evaluation_seed or rollout_seed')


def _overlap(first: range, second: range) -> bool:
    return max(first[0], second[0]) <= min(first[-1], second[-1])
