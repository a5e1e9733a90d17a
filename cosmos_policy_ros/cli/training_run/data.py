# SPDX-License-Identifier: Apache-2.0
"""The data of a training: found, prepared with progress, split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import resample, ResampleSettings
from cosmos_policy_ros.recording.step import SteppedEpisode
from cosmos_policy_ros.training.labelled_data import (
    data_identity, find_sources, load_sources, prepare_sources, split_validation)
from cosmos_policy_ros.training.prepared_episode import View
from cosmos_policy_ros.training.training_set import LabelledEpisode

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.train import TrainOptions


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a run learns from.

    Attributes:
        identity: Digest of all recordings and labels.
        learned: Episodes to learn from.
        held_out: Demonstrations to validate on.
    """

    identity: str
    learned: list[LabelledEpisode]
    held_out: list[LabelledEpisode]


def read_data(options: TrainOptions, config: ModelConfig, console: Console) -> TrainingData:
    """Find the episodes of a run and prepare those that its cache lacks."""
    view = View.of(config)
    sources = find_sources(options.data, view)
    cache = options.cache or options.data[0].absolute().parent / 'prepared'
    cache.mkdir(parents=True, exist_ok=True)
    prepared = prepare_sources(sources, cache, view, open_episode,
                               workers=options.threads * options.processes)
    for _ in track(prepared, total=len(sources), console=console,
                   description=f'preparing {len(sources)} episodes'):
        pass
    learned, held_out = split_validation(sources, options.validation_share)
    return TrainingData(identity=data_identity(sources), learned=load_sources(learned, cache),
                        held_out=load_sources(held_out, cache))


def open_episode(path: Path, view: View) -> SteppedEpisode:
    """Open a recorded episode as steps."""
    reader = EpisodeReader(path)
    preset = load_preset(reader.metadata.robot)
    return resample(reader, preset.robot, preset.names, ResampleSettings(
        rate_hz=1 / view.period_s, cameras=view.cameras))
