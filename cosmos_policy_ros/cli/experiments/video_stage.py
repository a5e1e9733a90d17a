# SPDX-License-Identifier: Apache-2.0
"""Videos of what an experiment is about: a success, a failure, and one that planning saved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory

from rich.console import Console

from cosmos_policy_ros.cli.evaluate import EvaluateOptions, RESULT_NAME
from cosmos_policy_ros.cli.evaluation_run import evaluation_job
from cosmos_policy_ros.cli.evaluation_worker import EvaluationWorker
from cosmos_policy_ros.cli.experiments.stage import Stage
from cosmos_policy_ros.evaluation.evaluation_result import load_result

SUCCESS, FAILURE, RESCUED = 'success', 'failure', 'rescued'


def video_stage(
    direct: EvaluateOptions, planning: EvaluateOptions, folder: Path, console: Console,
) -> Stage:
    """Return the stage of the videos; its facts are what each shows, and its file.

    Args:
        direct: The evaluation of the policy alone.
        planning: The one with planning, on the same seeds.
        folder: Folder for the videos.
        console: Where to show how far it is.
    """
    return Stage(
        name='videos', title='film a success, a failure and a rescue by planning',
        settings={}, results=[folder], run=lambda: _film_all(direct, planning, folder, console))


def choose_seeds(direct: Mapping[int, bool], planning: Mapping[int, bool]) -> dict[str, int]:
    """Choose what to film: the first seed of each kind; a kind without any is left out.

    Args:
        direct: Seed to whether the policy alone succeeded.
        planning: The same with planning.
    """
    outcomes = {seed: (direct[seed], planning[seed]) for seed in sorted(direct)}
    wanted = {
        SUCCESS: [seed for seed, (alone, _) in outcomes.items() if alone],
        RESCUED: [seed for seed, (alone, planned) in outcomes.items() if planned and not alone],
        # Best one that planning did not save either: the rescue is another video.
        FAILURE: sorted((seed for seed, (alone, _) in outcomes.items() if not alone),
                        key=lambda seed: outcomes[seed])}
    return {kind: seeds[0] for kind, seeds in wanted.items() if seeds}


def _film_all(
    direct: EvaluateOptions, planning: EvaluateOptions, folder: Path, console: Console,
) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    outcomes = [{rollout.seed: rollout.is_success
                 for rollout in load_result(side.output / RESULT_NAME).rollouts}
                for side in (direct, planning)]
    videos = {}
    for kind, seed in choose_seeds(*outcomes).items():
        path = folder / f'{kind}_seed_{seed:06d}.mp4'
        with console.status(f'filming seed {seed}: {kind}'):
            _film(planning if kind == RESCUED else direct, seed, path)
        videos[kind] = path.name
    return videos


def _film(options: EvaluateOptions, seed: int, path: Path) -> None:
    """Run a seed again, which comes out the same, and keep the video alone."""
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        job = evaluation_job(replace(options, record=place / 'episodes', videos='all'), place)
        with closing(EvaluationWorker(job)) as worker:
            worker.run(seed)
        video, = job.video_directory.glob('*.mp4')
        shutil.move(video, path)
