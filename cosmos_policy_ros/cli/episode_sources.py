# SPDX-License-Identifier: Apache-2.0
"""Episodes as they are named on the command line: single ones, or folders that hold some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode_list import (
    EpisodeFilter, EpisodeSummary, find_episodes)
from cosmos_policy_ros.recording.exchange.export_run import EpisodeSource


def named_episodes(
    paths: Sequence[Path], wanted: EpisodeFilter = EpisodeFilter(),
) -> list[EpisodeSummary]:
    """Return the finished episodes at or below paths that match, each once.

    Raises:
        RecordingError: If one cannot be read, or there is none.
    """
    found: dict[Path, EpisodeSummary] = {}
    for path in paths:
        episodes, broken = find_episodes(path)
        for reason in broken.values():
            raise RecordingError(reason)
        found |= {episode.path.resolve(): episode for episode in episodes}
    matching = [episode for episode in found.values() if wanted.matches(episode)]
    if not matching:
        raise RecordingError(f'{", ".join(map(str, paths))}: {len(found)} finished episodes, none '
                             'that is wanted')
    return matching


def source_of(episode: EpisodeSummary) -> EpisodeSource:
    """Return an episode with the names of its robot's topics."""
    preset = load_preset(episode.metadata.robot)
    return EpisodeSource(path=episode.path, robot=preset.robot, names=dict(preset.names))
