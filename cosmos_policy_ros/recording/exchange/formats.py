# SPDX-License-Identifier: Apache-2.0
"""The data formats by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from cosmos_policy_ros.recording.exchange.aloha_export import AlohaExporter
from cosmos_policy_ros.recording.exchange.cosmos_export import (
    CosmosExporter, CosmosRolloutExporter)
from cosmos_policy_ros.recording.exchange.exporter import Exporter
from cosmos_policy_ros.recording.exchange.hdf5_import import hdf5_episodes
from cosmos_policy_ros.recording.exchange.importer import ImportOptions
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.exchange.lerobot_import import lerobot_episodes
from cosmos_policy_ros.recording.step import SteppedEpisode

ExportFormat = Literal['aloha_hdf5', 'cosmos', 'cosmos_rollout', 'lerobot_v3', 'lerobot_v21']
ImportFormat = Literal['aloha_hdf5', 'cosmos', 'lerobot']

# Where neither file nor options name a rate: ALOHA's recorders, and Cosmos Policy's trainer.
_ALOHA_RATE_HZ, _COSMOS_RATE_HZ = 50.0, 25.0


def make_exporter(
    name: ExportFormat, *, cameras: tuple[str, ...] = (), images: str | None = None,
) -> Exporter:
    """Return the exporter of a format.

    Args:
        name: The format.
        cameras: Cameras to write, for formats that leave the choice.
        images: How `cosmos_rollout` has its images, `jpeg` or `mp4`; None for its usual form.

    Raises:
        RecordingError: If `images` is not allowed.
    """
    if name == 'aloha_hdf5':
        return AlohaExporter(cameras=cameras)
    if name == 'cosmos':
        return CosmosExporter()
    if name == 'cosmos_rollout':
        return CosmosRolloutExporter(images=images or 'jpeg')
    return LeRobotExporter(cameras=cameras, version='v3.0' if name == 'lerobot_v3' else 'v2.1')


def open_episodes(
    path: Path, name: ImportFormat, options: ImportOptions,
) -> Iterator[SteppedEpisode]:
    """Iterate over the episodes of a data set in another format.

    Raises:
        RecordingError: If there is no such data set, also while iterating.
    """
    if name == 'lerobot':
        return lerobot_episodes(path, options)
    return hdf5_episodes(path, options, usual_rate_hz=(
        _ALOHA_RATE_HZ if name == 'aloha_hdf5' else _COSMOS_RATE_HZ))
