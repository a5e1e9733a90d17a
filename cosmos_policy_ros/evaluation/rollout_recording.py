# SPDX-License-Identifier: Apache-2.0
"""Rollouts on disk: as an episode that can refine the policy, or as a video to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cosmos_policy_ros.evaluation.closed_loop import ClosedLoop
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.rollout import Rollout
from cosmos_policy_ros.evaluation.virtual_recorder import VirtualRecorder
from cosmos_policy_ros.evaluation.virtual_robot import START_NS
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, Outcome
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.writer import EpisodeWriter
from cosmos_policy_ros.spec.robot import RobotSpec


def record_rollout(
    loop: ClosedLoop, seed: int, directory: Path, robot: RobotSpec, topics: EpisodeTopics, *,
    software_version: str,
) -> Rollout:
    """Run the episode of a seed and record it, labelled by its outcome.

    Args:
        loop: Runs it.
        seed: Seed of the episode.
        directory: Receives the episode, named after the seed.
        robot: The robot.
        topics: Names of its topics.
        software_version: Version of this package.

    Raises:
        CosmosPolicyError: If the episode exists, the disk refuses or the policy cannot answer.
    """
    writer = EpisodeWriter(directory, EpisodeMetadata(
        task=loop.task_text, robot=robot.name, mode=loop.mode, checkpoint=loop.policy.name,
        seed=seed, software_version=software_version, started_ns=START_NS),
        name=f'episode_{seed:06d}')
    try:
        rollout = loop.run(seed, VirtualRecorder(writer, robot, topics))
    except BaseException:
        writer.discard()
        raise
    path = writer.finish(
        rollout_label(rollout), ended_ns=START_NS + round(rollout.duration_s * 1e9))
    return replace(rollout, episode=str(path))


def rollout_label(rollout: Rollout) -> EpisodeLabel:
    """Return the label of a rollout: its score is the share of the stages that was reached."""
    note = rollout.stop_reason or ('' if rollout.is_success else f'as far as {rollout.stage!r}')
    return EpisodeLabel(
        outcome=Outcome.SUCCESS if rollout.is_success else Outcome.FAILURE, score=rollout.score,
        note=f'judged by the simulation; {note}' if note else 'judged by the simulation')


def film_rollout(
    loop: ClosedLoop, rollout: Rollout, path: Path, robot: RobotSpec, topics: EpisodeTopics, *,
    software_version: str,
) -> None:
    """Write the video of a rollout; one that was not recorded is run again, which is the same.

    Raises:
        CosmosPolicyError: As `record_rollout`, or if the video cannot be written.
    """
    # Encoding video needs libraries that evaluating does not.
    from cosmos_policy_ros.evaluation.video import render_video
    with TemporaryDirectory() as folder:
        episode = rollout.episode or record_rollout(
            loop, rollout.seed, Path(folder), robot, topics,
            software_version=software_version).episode
        path.parent.mkdir(parents=True, exist_ok=True)
        render_video(EpisodeReader(Path(episode)), path, compressed_topics(topics))


def compressed_topics(topics: EpisodeTopics) -> EpisodeTopics:
    """Return the topics with the JPEG images of the cameras in the place of the raw ones."""
    return replace(topics, cameras={
        camera: f'{topic}/compressed' for camera, topic in topics.cameras.items()})
