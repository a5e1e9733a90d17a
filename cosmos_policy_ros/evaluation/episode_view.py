# SPDX-License-Identifier: Apache-2.0
"""Video of an episode to look at: cameras and imagined future above plots that move with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from cosmos_policy_ros.evaluation.contact_sheet import ContactSheet
from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.moving_plots import MovingPlots
from cosmos_policy_ros.evaluation.playback import Playback
from cosmos_policy_ros.evaluation.video import draw_sheet, write_video
from cosmos_policy_ros.recording.reader import EpisodeReader

_NS_PER_S = 1e9


def render_view(
    reader: EpisodeReader, path: Path, topics: EpisodeTopics, series: EpisodeSeries, *,
    frame_rate_hz: int = 15, on_progress: Callable[[float], None] = lambda share: None,
) -> int:
    """Write a video (H.264, MP4) of an episode, at the speed at which it happened.

    Args:
        reader: The episode.
        path: The video file; replaced if it exists, but only by a complete video.
        topics: Names of the topics. Cameras that were not recorded are left out.
        series: What happened over time.
        frame_rate_hz: Frames per second.
        on_progress: Called with the share that is done, 0 to 1.

    Returns:
        Number of frames.

    Raises:
        RecordingError: If the episode has no camera images, is damaged, or the video cannot be
            written.
    """
    playback = Playback(reader, topics, frame_rate_hz=frame_rate_hz)
    sheet = ContactSheet(playback.cameras, has_imagined=playback.has_imagined)
    plots = MovingPlots(series, width_px=sheet.size[0])
    frames = _draw(playback, sheet, plots, reader.metadata.task, series.start_ns, on_progress)
    write_video(path, (sheet.size[0], sheet.size[1] + plots.height_px), frame_rate_hz, frames)
    return len(playback)


def _draw(
    playback: Playback, sheet: ContactSheet, plots: MovingPlots, task: str, start_ns: int,
    on_progress: Callable[[float], None],
) -> Iterator[np.ndarray]:
    for count, moment in enumerate(playback, start=1):
        yield np.concatenate([draw_sheet(moment, playback, sheet, task),
                              plots.at((moment.time_ns - start_ns) / _NS_PER_S)])
        on_progress(count / len(playback))
