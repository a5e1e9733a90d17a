# SPDX-License-Identifier: Apache-2.0
"""From folders of recorded episodes to labelled, prepared ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
import hashlib
from pathlib import Path

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EpisodeMetadata, known_score, load_metadata, Outcome)
from cosmos_policy_ros.recording.step import SteppedEpisode
from cosmos_policy_ros.training.prepared_episode import (
    episode_identity, find_episodes, is_prepared, load_prepared, prepare_episode, View)
from cosmos_policy_ros.training.training_set import LabelledEpisode
from cosmos_policy_ros.worker_pool import WorkerPool

OpenEpisode = Callable[[Path, View], SteppedEpisode]
"""Opens a recorded episode as steps of that view; must be known by name to other processes."""

_EXPERT_MODES = ('teleoperation', 'scripted')
_NUM_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class EpisodeSource:
    """A recorded episode that is to be learned from.

    Attributes:
        path: Its folder.
        identity: Digest of its recording and of the view.
        metadata: What is known about it.
        score: Share of the task that was done, 0 to 1.
    """

    path: Path
    identity: str
    metadata: EpisodeMetadata
    score: float

    @property
    def is_demonstration(self) -> bool:
        """Whether an expert acted."""
        return self.metadata.mode in _EXPERT_MODES

    @property
    def is_success(self) -> bool:
        """Whether the task was done."""
        return self.metadata.label.outcome is Outcome.SUCCESS


def find_sources(directories: Sequence[Path], view: View) -> list[EpisodeSource]:
    """Return the episodes in directories.

    Raises:
        RecordingError: If a directory holds none, an episode has no label, or is there twice.
    """
    sources = [_source(path, view) for directory in directories
               for path in find_episodes(directory)]
    seen: dict[str, Path] = {}
    for source in sources:
        if source.identity in seen:
            raise RecordingError(
                f'{source.path} and {seen[source.identity]} are the same recording')
        seen[source.identity] = source.path
    return sources


def data_identity(sources: Sequence[EpisodeSource]) -> str:
    """Return the digest of the recordings and labels that a run learns from."""
    facts = sorted((source.identity, source.metadata.task, source.score) for source in sources)
    return _digest(facts)[:_NUM_DIGITS]


def prepare_sources(
    sources: Sequence[EpisodeSource], cache: Path, view: View, open_episode: OpenEpisode, *,
    workers: int,
) -> Iterator[EpisodeSource]:
    """Prepare the episodes that a cache lacks; yield each episode as it is done.

    A single worker is this process.

    Raises:
        RecordingError: If an episode cannot be used.
    """
    waiting = [source for source in sources if not is_prepared(cache, source.identity)]
    yield from (source for source in sources if source not in waiting)
    if workers <= 1:
        for source in waiting:
            _prepare(source.path, source.identity, cache, view, open_episode)
            yield source
        return
    if not waiting:
        return
    with WorkerPool(min(workers, len(waiting))) as pool:
        running = {pool.submit(
            _prepare, source.path, source.identity, cache, view, open_episode): source
                   for source in waiting}
        for future in as_completed(running):
            future.result()
            yield running[future]


def load_sources(sources: Sequence[EpisodeSource], cache: Path) -> list[LabelledEpisode]:
    """Map prepared episodes."""
    return [LabelledEpisode(
        episode=load_prepared(cache, source.identity), task=source.metadata.task,
        score=source.score, is_demonstration=source.is_demonstration,
        is_success=source.is_success) for source in sources]


def split_validation(
    sources: Sequence[EpisodeSource], share: float,
) -> tuple[list[EpisodeSource], list[EpisodeSource]]:
    """Set successful demonstrations aside, chosen by what they show alone.

    Scenes of the scripted expert are chosen with all their takes, so that none of a scene that
    validates is learned from. Rollouts and failures are all learned from: there are few, and
    nothing validates on them.

    Returns:
        Episodes to learn from, and those to validate on.
    """
    held_out = [source for source in sources if source.is_demonstration and source.is_success
                and int(_scene_identity(source), 16) % 1000 < round(1000 * share)]
    return [source for source in sources if source not in held_out], held_out


def _scene_identity(source: EpisodeSource) -> str:
    """Return the digest of the scene that the seed tells, else that of the recording."""
    metadata = source.metadata
    if metadata.mode != 'scripted' or metadata.seed is None:
        return source.identity
    return _digest((metadata.task, metadata.seed))


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _prepare(
    path: Path, identity: str, cache: Path, view: View, open_episode: OpenEpisode,
) -> None:
    prepare_episode(cache, identity, open_episode(path, view), view)


def _source(path: Path, view: View) -> EpisodeSource:
    metadata = load_metadata(path)
    label = metadata.label
    score = known_score(label)
    if score is None or label.outcome is Outcome.UNLABELLED:
        raise RecordingError(f'episode {path} is {label.outcome.value} without a score; label it '
                             'with an outcome, and a partial one with a score')
    return EpisodeSource(
        path=path, identity=episode_identity(path, view), metadata=metadata, score=score)
