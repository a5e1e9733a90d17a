# SPDX-License-Identifier: Apache-2.0
"""Episodes of another data format into ours, one after the other, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.encode import encode_message
from cosmos_policy_ros.recording.episode import EPISODE_FILE, EpisodeMetadata
from cosmos_policy_ros.recording.exchange.exchange_result import ExchangeResult
from cosmos_policy_ros.recording.exchange.interrupted_import import delete_interrupted_import
from cosmos_policy_ros.recording.exchange.step_messages import step_messages
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.step import Step, SteppedEpisode
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter
from cosmos_policy_ros.spec.robot import RobotSpec


@dataclass(frozen=True, kw_only=True)
class ImportTarget:
    """Where imported episodes go and what they claim to be.

    Attributes:
        output: Folder of the episodes.
        robot: Robot of the episodes.
        names: Names inside our nodes to those of the robot.
        software_version: Version of this package.
        overwrite: Replace episodes of the same name.
    """

    output: Path
    robot: RobotSpec
    names: Mapping[str, str]
    software_version: str
    overwrite: bool = False


def run_import(
    episodes: Iterator[SteppedEpisode], target: ImportTarget, *,
    on_progress: Callable[[str, int], None] = lambda name, steps: None,
) -> ExchangeResult:
    """Write episodes; those that were imported before are skipped.

    An episode that is refused does not stop the others, as long as the next can be found. One
    whose import was interrupted is imported anew.

    Args:
        episodes: The episodes.
        target: Where they go.
        on_progress: Called with the name of the episode and all steps so far, after every step.
    """
    result = ExchangeResult(refused={})
    for episode in _each(episodes, result):
        metadata = replace(episode.metadata, robot=target.robot.name,
                           software_version=target.software_version)
        try:
            if _is_imported(target.output / episode.name, metadata, target.overwrite):
                result.skipped += 1
                continue
            _write(episode, metadata, target, lambda step: on_progress(
                episode.name, result.steps + step.index + 1), result)
        except RecordingError as error:
            result.refused[episode.name] = str(error)
    return result


def _each(
    episodes: Iterator[SteppedEpisode], result: ExchangeResult,
) -> Iterator[SteppedEpisode]:
    try:
        yield from episodes
    except RecordingError as error:
        result.refused['(the rest)'] = str(error)


def _is_imported(path: Path, metadata: EpisodeMetadata, overwrite: bool) -> bool:
    """Whether an episode is there and stays."""
    if not path.exists():
        return False
    if not (path / EPISODE_FILE).exists():
        raise RecordingError(f'{path} exists and is no episode; it is not overwritten')
    if overwrite:
        return False
    have = EpisodeReader(path).metadata
    if (have.task, have.started_ns, have.label) == (
            metadata.task, metadata.started_ns, metadata.label):
        return True
    raise RecordingError(f'{path} is another episode of the same name; choose another --output, '
                         'or --overwrite')


def _write(
    episode: SteppedEpisode, metadata: EpisodeMetadata, target: ImportTarget,
    on_step: Callable[[Step], None], result: ExchangeResult,
) -> None:
    delete_interrupted_import(target.output / episode.name, metadata)
    writer = EpisodeWriter(target.output, metadata, name=episode.name, overwrite=target.overwrite)
    step = None
    try:
        for step in episode:
            _write_step(writer, step, episode, target)
            on_step(step)
        if step is None:
            raise RecordingError(f'episode {episode.name} has no step')
        writer.finish(metadata.label, ended_ns=step.time_ns)
    except BaseException:
        writer.discard()
        raise
    result.written += 1
    result.steps += step.index + 1


def _write_step(
    writer: EpisodeWriter, step: Step, episode: SteppedEpisode, target: ImportTarget,
) -> None:
    for topic, type_name, time_ns, fields in step_messages(
            step, target.robot, target.names, episode.rate_hz):
        if topic not in writer.message_counts:
            writer.add_topic(Topic(name=topic, type_name=type_name))
        writer.write(topic, encode_message(type_name, fields), log_time_ns=time_ns,
                     publish_time_ns=time_ns)
