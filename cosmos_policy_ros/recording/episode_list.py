# SPDX-License-Identifier: Apache-2.0
"""The episodes below a folder: found, filtered and added up without opening their messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EPISODE_FILE, EpisodeMetadata, load_metadata, Outcome, PARTIAL_SUFFIX)
from cosmos_policy_ros.recording.health import Verdict
from cosmos_policy_ros.recording.health_report import HEALTH_FILE, load_judgement
from cosmos_policy_ros.recording.session_folder import SET_ASIDE_FOLDER

_NS_PER_S = 1e9


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """A finished episode as a list shows it.

    Attributes:
        path: Its folder.
        metadata: What is known about it.
        verdict: How healthy it is; None where nobody judged.
        size_bytes: Size of its messages on disk in [B].
    """

    path: Path
    metadata: EpisodeMetadata
    verdict: Verdict | None
    size_bytes: int

    @property
    def duration_s(self) -> float:
        """Length in [s]."""
        return ((self.metadata.ended_ns or self.metadata.started_ns)
                - self.metadata.started_ns) / _NS_PER_S

    @property
    def started(self) -> datetime:
        """Local time of the start."""
        return datetime.fromtimestamp(self.metadata.started_ns / _NS_PER_S)


@dataclass(frozen=True, kw_only=True)
class EpisodeFilter:
    """Which episodes are wanted; an empty attribute allows all.

    Attributes:
        task: Text that the task contains, upper and lower case alike.
        outcome: How it ended.
        verdict: How healthy it is.
        mode: Who drove.
        since: First day.
        until: Last day.
    """

    task: str = ''
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    mode: str = ''
    since: date | None = None
    until: date | None = None

    def matches(self, episode: EpisodeSummary) -> bool:
        """Whether an episode is wanted."""
        metadata, day = episode.metadata, episode.started.date()
        return (self.task.lower() in metadata.task.lower()
                and self.outcome in (None, metadata.label.outcome)
                and self.verdict in (None, episode.verdict)
                and self.mode in ('', metadata.mode)
                and (self.since is None or self.since <= day)
                and (self.until is None or day <= self.until))


@dataclass(frozen=True, kw_only=True)
class EpisodeTotals:
    """Episodes in sum.

    Attributes:
        episodes: How many.
        duration_s: All lengths in [s].
        size_bytes: All sizes in [B].
        tasks: Task to number of episodes, most first; so are the others.
        outcomes: Outcome to number of episodes.
        verdicts: Verdict to number of episodes; `not judged` for those without.
    """

    episodes: int
    duration_s: float
    size_bytes: int
    tasks: dict[str, int]
    outcomes: dict[str, int]
    verdicts: dict[str, int]


def find_episodes(path: Path) -> tuple[list[EpisodeSummary], dict[Path, str]]:
    """Return the finished episodes at or below a folder, oldest first.

    Those that were set aside are left out, unless the folder is where they are.

    Returns:
        The episodes, and the folders that look like one but cannot be read, each with the reason.

    Raises:
        RecordingError: If there is no such folder.
    """
    if not path.is_dir():
        raise RecordingError(f'there is no folder {path}')
    found, broken = [], {}
    for folder in _episode_folders(path):
        try:
            found.append(summarise(folder))
        except RecordingError as error:
            broken[folder] = str(error)
    return sorted(found, key=lambda e: (e.metadata.started_ns, e.path.name)), broken


def summarise(path: Path) -> EpisodeSummary:
    """Return the summary of the episode in a folder.

    Raises:
        RecordingError: If it is no finished episode.
    """
    metadata = load_metadata(path)
    if metadata.ended_ns is None:
        raise RecordingError(f'episode {path} is partial: its recording runs or was interrupted')
    verdict = load_judgement(path).verdict if (path / HEALTH_FILE).exists() else None
    return EpisodeSummary(path=path, metadata=metadata, verdict=verdict, size_bytes=sum(
        file.stat().st_size for file in path.glob('*.mcap')))


def add_up(episodes: Iterable[EpisodeSummary]) -> EpisodeTotals:
    """Return the sums over episodes."""
    episodes = list(episodes)

    def count(values: Iterable[str]) -> dict[str, int]:
        return dict(Counter(values).most_common())

    return EpisodeTotals(
        episodes=len(episodes), duration_s=sum(e.duration_s for e in episodes),
        size_bytes=sum(e.size_bytes for e in episodes),
        tasks=count(e.metadata.task for e in episodes),
        outcomes=count(e.metadata.label.outcome.value for e in episodes),
        verdicts=count(e.verdict.value if e.verdict else 'not judged' for e in episodes))


def _episode_folders(path: Path) -> Iterator[Path]:
    return (file.parent for file in sorted(path.rglob(EPISODE_FILE))
            if not file.parent.name.endswith(PARTIAL_SUFFIX)
            and SET_ASIDE_FOLDER not in file.relative_to(path).parts)
