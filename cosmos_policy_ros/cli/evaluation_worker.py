# SPDX-License-Identifier: Apache-2.0
"""One process of `cosmos-policy evaluate`: it loads the policy once and runs seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.evaluation.closed_loop import ClosedLoop
from cosmos_policy_ros.evaluation.episode_topics import episode_topics
from cosmos_policy_ros.evaluation.policy_source import PolicySource
from cosmos_policy_ros.evaluation.rollout import Rollout, RolloutSettings
from cosmos_policy_ros.evaluation.rollout_recording import film_rollout, record_rollout

_job: EvaluationJob | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """What every process of an evaluation is told.

    Attributes:
        source: The policy.
        settings: How it is run.
        preset: Robot preset.
        record: Folder for the rollouts; None to record none.
        videos: Which rollouts to film: `none`, `failures`, `successes` or `all`.
        video_directory: Folder for the videos.
        max_videos: Most videos to make.
        software_version: Version of this package.
    """

    source: PolicySource
    settings: RolloutSettings
    preset: str
    record: Path | None
    videos: str
    video_directory: Path
    max_videos: int
    software_version: str


class EvaluationWorker:
    """Runs one seed after the other."""

    def __init__(self, job: EvaluationJob) -> None:
        """Load the policy and build the robot."""
        preset = load_preset(job.preset)
        self._job, self._robot = job, preset.robot
        self._topics = episode_topics(preset.robot, preset.names)
        self._loop = ClosedLoop(
            preset.robot, job.settings,
            lambda simulation: job.source.load(preset.robot, job.settings.task, simulation))

    @property
    def policy_name(self) -> str:
        """How the policy calls itself."""
        return self._loop.policy.name

    def run(self, seed: int) -> Rollout:
        """Run the episode of a seed; record and film it as the job says."""
        if self._job.record is None:
            rollout = self._loop.run(seed)
        else:
            rollout = record_rollout(
                self._loop, seed, self._job.record, self._robot, self._topics,
                software_version=self._job.software_version)
        if self._is_to_be_filmed(rollout):
            film_rollout(self._loop, rollout, self._video_path(rollout), self._robot,
                         self._topics, software_version=self._job.software_version)
        return rollout

    def close(self) -> None:
        """Free the cameras."""
        self._loop.close()

    def _is_to_be_filmed(self, rollout: Rollout) -> bool:
        wanted = {'none': (), 'failures': (False,), 'successes': (True,), 'all': (False, True)}
        num_made = len(list(self._job.video_directory.glob('*.mp4')))
        return rollout.is_success in wanted[self._job.videos] and num_made < self._job.max_videos

    def _video_path(self, rollout: Rollout) -> Path:
        outcome = 'success' if rollout.is_success else 'failure'
        return self._job.video_directory / f'seed_{rollout.seed:06d}_{outcome}.mp4'


def set_job(job: EvaluationJob) -> None:
    """Tell this process what it is to do."""
    global _job
    _job = job


def run_seed(seed: int) -> tuple[Rollout, str]:
    """Run a seed in this process; return what came of it and the name of the policy.

    Raises:
        CosmosPolicyError: If the policy cannot be loaded or run.
    """
    worker = _worker()
    return worker.run(seed), worker.policy_name


# Built by the first seed and not by the process: only what a seed raises reaches the user.
@cache
def _worker() -> EvaluationWorker:
    return EvaluationWorker(_job)
