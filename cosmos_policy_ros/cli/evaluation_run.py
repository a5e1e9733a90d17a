# SPDX-License-Identifier: Apache-2.0
"""An evaluation from its options to its result: seeds over processes, or over real topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import closing, contextmanager
from dataclasses import asdict
import os
from pathlib import Path

from rich.console import Console

from cosmos_policy_ros import __version__
from cosmos_policy_ros.bringup import BringupOptions, load_preset
from cosmos_policy_ros.cli.episode_progress import episode_progress
from cosmos_policy_ros.cli.evaluate import EvaluateOptions
from cosmos_policy_ros.cli.evaluation_worker import (
    EvaluationJob, EvaluationWorker, run_seed, set_job)
from cosmos_policy_ros.cli.live_evaluation import run_live
from cosmos_policy_ros.worker_pool import WorkerPool
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult
from cosmos_policy_ros.evaluation.policy_source import PolicySource
from cosmos_policy_ros.evaluation.rollout import Rollout, RolloutSettings
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings
from cosmos_policy_ros.simulation.tasks import TASKS

Outcome = tuple[Rollout, str]
"""A rollout, and how the policy calls itself."""


def run_evaluation(
    options: EvaluateOptions, output: Path, console: Console, *,
    known: Sequence[Outcome] = (), on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> EvaluationResult:
    """Run the seeds of an evaluation, with a bar on the console.

    Args:
        options: What to evaluate.
        output: Folder for videos and logs.
        console: Where to show how far it is.
        known: Outcomes of seeds that ran before; those that are wanted do not run again.
        on_outcome: Told every new outcome at once.

    Raises:
        CosmosPolicyError: If the policy cannot be loaded or run.
    """
    job = evaluation_job(options, output)
    load_preset(options.robot)
    wanted = set(_seeds(options))
    seen = [outcome for outcome in known if outcome[0].seed in wanted]
    missing = sorted(wanted - {rollout.seed for rollout, _ in seen})
    with episode_progress(console) as progress:
        bar = progress.add_task('loading the policy', total=options.episodes,
                                completed=len(seen))
        for outcome in _run(options, job, output, missing) if missing else ():
            on_outcome(outcome)
            seen.append(outcome)
            successes = sum(rollout.is_success for rollout, _ in seen)
            progress.update(
                bar, advance=1, description=f'{successes} of {len(seen)} succeeded')
    return EvaluationResult(
        policy=seen[0][1], settings={**described(job), 'is_live': options.live},
        rollouts=tuple(rollout for rollout, _ in seen))


def _run(
    options: EvaluateOptions, job: EvaluationJob, output: Path, seeds: Sequence[int],
) -> Iterator[Outcome]:
    if options.live:
        return _run_live(options, output, seeds)
    return _run_pool(options.workers, job, seeds) if options.workers else _run_here(job, seeds)


def evaluation_job(options: EvaluateOptions, output: Path) -> EvaluationJob:
    """Return what the processes of an evaluation are told.

    Raises:
        ConfigurationError: If an option cannot be used or two contradict each other.
    """
    return EvaluationJob(
        source=_source(options), settings=_settings(options), preset=options.robot,
        record=options.record, videos=options.videos, video_directory=output / 'videos',
        max_videos=options.max_videos, software_version=__version__)


def _source(options: EvaluateOptions) -> PolicySource:
    return PolicySource(kind=options.policy, checkpoint=options.checkpoint,
                        planning_checkpoint=options.planning_checkpoint, device=options.device)


def _settings(options: EvaluateOptions) -> RolloutSettings:
    steps = _denoising_steps(options)
    planning = None if options.mode == 'direct' else PlanningSettings(
        num_candidates=options.num_candidates, candidate_spread=options.candidate_spread,
        imagination_seed=options.policy_seed if options.common_noise else None,
        is_joint=options.is_joint, value_kind=options.value_kind, num_futures=options.num_futures,
        num_values=options.num_values, num_denoising_steps_action=steps['action'],
        num_denoising_steps_future=steps['future'], num_denoising_steps_value=steps['value'],
        aggregation=options.value_aggregation, search_depth=options.search_depth)
    return RolloutSettings(
        task=options.task, latency_s=options.latency_s, timeout_s=options.timeout_s,
        recorded_image_rate_hz=options.recorded_image_rate_hz,
        policy_seed=options.policy_seed, fresh_noise=options.fresh_noise,
        exploration=options.exploration,
        num_denoising_steps=steps['action'], planning=planning,
        motion=MotionSettings(strategy=options.strategy, blend_s=options.blend_s),
        query=QuerySettings(strategy=options.strategy, blend_s=options.blend_s,
                            execution_horizon=options.execution_horizon))


def described(job: EvaluationJob) -> dict[str, object]:
    """Return all that rollouts depend on besides their seeds, as a result keeps it."""
    return {**asdict(job.source), **asdict(job.settings), 'robot': job.preset,
            'software_version': job.software_version}


def _run_here(job: EvaluationJob, seeds: Sequence[int]) -> Iterator[Outcome]:
    """Run every seed in virtual time in this process."""
    with closing(EvaluationWorker(job)) as worker:
        for seed in seeds:
            yield worker.run(seed), worker.policy_name


def _run_pool(workers: int, job: EvaluationJob, seeds: Sequence[int]) -> Iterator[Outcome]:
    """Run every seed in virtual time, in whatever order they end."""
    with _single_threads(), WorkerPool(workers, set_job, job) as pool:
        for future in as_completed([pool.submit(run_seed, seed) for seed in seeds]):
            yield future.result()


def _run_live(
    options: EvaluateOptions, output: Path, seeds: Sequence[int],
) -> Iterator[Outcome]:
    """Run every seed over real topics."""
    for name, allowed in (('exploration', 0.0), ('record', None), ('videos', 'none')):
        if getattr(options, name) != allowed:
            raise ConfigurationError(
                f'{name} is {getattr(options, name)} with live: only rollouts in virtual time '
                f'have that, allowed is {allowed}')
    motion = {'strategy': options.strategy, 'blend_s': options.blend_s}
    policy = {
        **motion, 'seed': options.policy_seed, 'fresh_noise': options.fresh_noise,
        'execution_horizon': options.execution_horizon,
        **{f'denoising_steps.{part}': steps
           for part, steps in _denoising_steps(options).items()}}
    if options.mode == 'planning':
        policy |= {name: getattr(options, name) for name in (
            'num_candidates', 'candidate_spread', 'common_noise', 'is_joint', 'value_kind',
            'num_futures', 'num_values', 'value_aggregation', 'search_depth')}
    return run_live(BringupOptions(
        sim=True, start=False, record=False, policy=options.policy, mode=options.mode,
        checkpoint=options.checkpoint, planning_checkpoint=options.planning_checkpoint,
        task=TASKS[options.task].text, sim_task=options.task, robot=options.robot),
        seeds, timeout_s=options.timeout_s, parameters={'/policy_node': policy,
                                                        '/arm_node': motion},
        log_directory=output / 'logs')


def _denoising_steps(options: EvaluateOptions) -> dict[str, int]:
    """Return the denoising steps of each part of a plan."""
    action = options.denoising_steps
    return {'action': action, **{
        part: action if steps is None else steps for part, steps in (
            ('future', options.future_steps), ('value', options.value_steps))}}


def _seeds(options: EvaluateOptions) -> range:
    return range(options.seed, options.seed + options.episodes)


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let the workers' libraries take one core each, where the user did not say otherwise."""
    added = [name for name in ('OMP_NUM_THREADS', 'LP_NUM_THREADS') if name not in os.environ]
    os.environ.update(dict.fromkeys(added, '1'))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
