# SPDX-License-Identifier: Apache-2.0
"""However the recorder stored the images, exports and imports of an episode give the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recording.exchange.conftest import check_same, source_of, steps_of, target_of

from cosmos_policy_ros.recording.background_writer import (
    BackgroundWriter, WaitingMessage, WriteSettings)
from cosmos_policy_ros.recording.exchange.aloha_export import AlohaExporter
from cosmos_policy_ros.recording.exchange.cosmos_export import CosmosRolloutExporter
from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.formats import open_episodes
from cosmos_policy_ros.recording.exchange.import_run import run_import
from cosmos_policy_ros.recording.exchange.importer import ImportOptions
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.image_encoding import ENCODING_KINDS, ImageEncoding
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import ResampleSettings
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

CAMERA = '/cam_high/camera/color/image_rect_raw'
STORED_SUFFIX = {'raw': '', 'jpeg': '/compressed', 'png': '/compressed', 'h264': '/h264'}
# Mean error per pixel: what the recorder's codec loses, then what that of the format loses.
STORED_ERROR = {'raw': 0.0, 'png': 0.0, 'jpeg': 3.0, 'h264': 4.0}
FORMAT_ERROR = {'aloha_hdf5': 3.0, 'cosmos': 3.0, 'lerobot': 6.0}


@pytest.fixture(params=ENCODING_KINDS)
def stored(request: pytest.FixtureRequest, episode: Path, tmp_path: Path,
           robot_messages: None) -> tuple[str, Path]:
    """How images are stored, and an episode whose images the recorder stored so."""
    reader = EpisodeReader(episode)
    writer = EpisodeWriter(tmp_path / 'stored', reader.metadata)
    notices: list[str] = []
    background = BackgroundWriter(writer, WriteSettings(
        encoding=ImageEncoding(kind=request.param, jpeg_quality=95)), on_notice=notices.append)
    for topic in reader.topics.values():
        background.add_topic(Topic(name=topic.name, type_name=topic.type_name))
    for message in reader.messages():
        assert background.put(WaitingMessage(
            topic_name=message.topic, data=message.data, log_time_ns=message.log_time_ns,
            publish_time_ns=message.publish_time_ns))
    background.close()
    assert not notices
    return request.param, writer.finish(
        reader.metadata.label, ended_ns=reader.metadata.ended_ns)


@pytest.mark.parametrize('exporter, import_format', [
    (AlohaExporter(), 'aloha_hdf5'), (CosmosRolloutExporter(), 'cosmos'),
    (LeRobotExporter(version='v3.0'), 'lerobot')], ids=['aloha', 'rollout', 'lerobot'])
def test_the_way_through_a_format_does_not_depend_on_how_images_were_stored(
        exporter: Any, import_format: Any, stored: tuple[str, Path], episode: Path,
        tmp_path: Path):
    kind, recorded = stored
    assert CAMERA + STORED_SUFFIX[kind] in EpisodeReader(recorded).topics
    exported = run_export(
        [source_of(recorded)], tmp_path / 'out', exporter, ResampleSettings())
    imported = run_import(open_episodes(tmp_path / 'out', import_format, ImportOptions()),
                          target_of(tmp_path / 'back'))
    assert (exported.refused, imported.refused) == ({}, {})
    [back] = (tmp_path / 'back').iterdir()
    error = STORED_ERROR[kind]
    steps = check_same(steps_of(episode), steps_of(recorded), pixel_error=error)
    assert steps == exported.steps == imported.steps == 31
    check_same(steps_of(episode), steps_of(back), pixel_error=error + FORMAT_ERROR[import_format])
