# SPDX-License-Identifier: Apache-2.0
"""In which form the recorder takes and keeps images, by its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.recording.background_writer import WriteSettings
from cosmos_policy_ros.recording.image_encoding import (
    COMPRESSED_TYPE, IMAGE_TYPE, ImageEncoding)


def write_settings(params: RecorderNodeParameters) -> WriteSettings:
    """Return how messages reach the disk."""
    return WriteSettings(
        encoding=ImageEncoding(
            kind=params.image_encoding, jpeg_quality=params.jpeg_quality,
            video_crf=params.video_crf, video_topics=params.video_topics),
        encoder_threads=params.encoder_threads, flush_period_s=params.flush_period_s,
        sync=params.sync_to_disk)


def recorded_topic(
    wanted: str, types: Mapping[str, str], encoding: ImageEncoding,
) -> str | None:
    """Return the topic to subscribe to for a wanted one; None while it has no publisher.

    Where a camera compresses its images itself, recording that stream instead of the raw one saves
    the work and the bandwidth; a raw stream that is to be lossless or a video is left as it is.

    Args:
        wanted: Name of the topic that is to be recorded.
        types: Published topics and their types.
        encoding: How raw images are stored.
    """
    compressed = f'{wanted}/compressed'
    is_image = types.get(wanted, IMAGE_TYPE) == IMAGE_TYPE
    if (is_image and encoding.kind_of(wanted) == 'jpeg'
            and types.get(compressed) == COMPRESSED_TYPE):
        return compressed
    return wanted if wanted in types else None
