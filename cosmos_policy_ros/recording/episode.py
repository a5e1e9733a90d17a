# SPDX-License-Identifier: Apache-2.0
"""What is known about an episode besides its messages, and the file that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
import json
import math
from pathlib import Path
from types import MappingProxyType

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.durable_file import write_durably

EPISODE_FILE = 'episode.json'
PARTIAL_SUFFIX = '.partial'
FORMAT_VERSION = 1


class Outcome(str, Enum):
    """How an episode ended."""

    UNLABELLED = 'unlabelled'
    SUCCESS = 'success'
    FAILURE = 'failure'
    PARTIAL = 'partial'


@dataclass(frozen=True, kw_only=True)
class EpisodeLabel:
    """A person's or a simulator's judgement of an episode.

    Attributes:
        outcome: How the episode ended; also accepted as text, for example 'success'.
        score: Share of the task that was done, 0 to 1; None where nobody gave one.
        note: Free text.

    Raises:
        RecordingError: If the outcome is unknown or the score is outside [0, 1].
    """

    outcome: Outcome = Outcome.UNLABELLED
    score: float | None = None
    note: str = ''

    def __post_init__(self) -> None:
        known = [outcome.value for outcome in Outcome]
        if self.outcome not in known:
            raise RecordingError(
                f'outcome is {self.outcome!r}; allowed are {", ".join(known)}')
        object.__setattr__(self, 'outcome', Outcome(self.outcome))
        if self.score is not None and not _is_score(self.score):
            raise RecordingError(f'score is {self.score!r}; allowed is 0 to 1')
        if not isinstance(self.note, str):
            raise RecordingError(f'note is {self.note!r}; it must be text')


USUAL_SCORES = {Outcome.SUCCESS: 1.0, Outcome.FAILURE: 0.0}
"""Scores of the outcomes that tell one; of the others somebody has to say it."""


def known_score(label: EpisodeLabel) -> float | None:
    """Return the score of a label, or that of its outcome; None if neither tells one."""
    return USUAL_SCORES.get(label.outcome) if label.score is None else label.score


@dataclass(frozen=True, kw_only=True)
class EpisodeMetadata:
    """What is known about an episode besides its messages.

    Attributes:
        task: Text of the task.
        robot: Name of the robot preset.
        mode: Who drove: for example teleoperation, direct, planning, scripted.
        checkpoint: Name of the checkpoint or policy; empty when a person drove.
        checkpoint_id: Fingerprint of its files, or the revision it was fetched as; empty where
            there is none.
        operator: Who drove or watched.
        seed: Seed of the episode; None where there is none.
        software_version: Version of this package that recorded the episode.
        started_ns: Time of the start in [ns].
        ended_ns: Time of the end in [ns]; None while the episode is being recorded.
        label: How it ended.
        message_counts: Topic to number of messages; empty while the episode is being recorded.
    """

    task: str
    robot: str
    mode: str
    checkpoint: str = ''
    checkpoint_id: str = ''
    operator: str = ''
    seed: int | None = None
    software_version: str
    started_ns: int
    ended_ns: int | None = None
    label: EpisodeLabel = EpisodeLabel()
    message_counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, 'message_counts', MappingProxyType(dict(self.message_counts)))


def save_metadata(directory: Path, metadata: EpisodeMetadata) -> None:
    """Write the metadata of the episode in `directory`, in one step.

    Raises:
        RecordingError: If the file cannot be written.
    """
    content = {name: value for name, value in vars(metadata).items() if name != 'label'}
    content.update(vars(metadata.label), message_counts=dict(metadata.message_counts))
    path = directory / EPISODE_FILE
    try:
        write_durably(path, json.dumps(
            {'format_version': FORMAT_VERSION, **content}, indent=2, ensure_ascii=False) + '\n')
    except OSError as error:
        raise RecordingError(f'cannot write {path}: {error}') from error


def load_metadata(directory: Path) -> EpisodeMetadata:
    """Read the metadata of the episode in `directory`.

    Raises:
        RecordingError: If the file is missing, is no episode metadata or a value is not allowed.
    """
    path = directory / EPISODE_FILE
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise RecordingError(f'cannot read {path}: {error}') from error
    if not isinstance(content, dict) or content.get('format_version') != FORMAT_VERSION:
        raise RecordingError(
            f'{path} is no episode metadata of format version {FORMAT_VERSION}')
    content.pop('format_version')
    try:
        label = EpisodeLabel(**{f.name: content.pop(f.name) for f in fields(EpisodeLabel)})
        return EpisodeMetadata(label=label, **content)
    except KeyError as error:
        raise RecordingError(f'{path} lacks the entry {error}') from error
    except (TypeError, ValueError, RecordingError) as error:
        raise RecordingError(f'{path}: {error}') from error


def relabel(directory: Path, label: EpisodeLabel) -> EpisodeMetadata:
    """Change the label of a recorded episode; its messages are not touched.

    Returns:
        The new metadata.

    Raises:
        RecordingError: If the metadata cannot be read or written, or the episode is not finished:
            whatever finishes it sets the label.
    """
    if directory.name.endswith(PARTIAL_SUFFIX):
        raise RecordingError(f'{directory} is not finished; recover it before you label it')
    metadata = replace(load_metadata(directory), label=label)
    save_metadata(directory, metadata)
    return metadata


def _is_score(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0.0 <= value <= 1.0
