# SPDX-License-Identifier: Apache-2.0
"""An evaluation as a stage: rollouts that ran do not run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
import shutil
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.evaluate import EvaluateOptions, RESULT_NAME
from cosmos_policy_ros.cli.evaluation_run import (
    described, evaluation_job, run_evaluation)
from cosmos_policy_ros.cli.experiments.rollout_journal import RolloutJournal
from cosmos_policy_ros.cli.experiments.stage import Stage

_JOURNAL = 'rollouts.jsonl'
# Where and by what a stage is run, which is no setting of it.
_WAYS = ('device', 'num_threads', 'software_version')


def evaluation_stage(name: str, title: str, options: EvaluateOptions, console: Console) -> Stage:
    """Return the stage of an evaluation in virtual time, whose result goes to its output."""
    kept = described(evaluation_job(options, options.output))
    settings = {'seed': options.seed, 'episodes': options.episodes,
                **{key: value for key, value in kept.items() if key not in _WAYS}}
    results = [options.output / RESULT_NAME]
    if options.record is not None:
        settings['record'] = str(options.record)
        results.append(options.record)
    return Stage(name=name, title=title, settings=settings, results=results,
                 run=lambda: _evaluate(options, console))


def _evaluate(options: EvaluateOptions, console: Console) -> Mapping[str, Any]:
    options.output.mkdir(parents=True, exist_ok=True)
    journal = RolloutJournal(options.output / _JOURNAL)
    known = journal.read()
    if options.record is not None:
        done = {rollout.seed for rollout, _ in known}
        _remove_unfinished(options.record, [
            seed for seed in range(options.seed, options.seed + options.episodes)
            if seed not in done])
    result = run_evaluation(
        options, options.output, console, known=known, on_outcome=journal.append)
    result.save(options.output / RESULT_NAME)
    low, high = result.interval
    console.print(f'  {result.num_successes} of {len(result.rollouts)} succeeded (95 %: {low:.0%} '
                  f'to {high:.0%})', highlight=False)
    return {'successes': result.num_successes, 'episodes': len(result.rollouts)}


def _remove_unfinished(folder: Path, seeds: Iterable[int]) -> None:
    """Remove what an interruption left of the rollouts of seeds; they come out the same again."""
    for seed in seeds:
        for path in folder.glob(f'episode_{seed:06d}*'):
            shutil.rmtree(path)
