# SPDX-License-Identifier: Apache-2.0
"""An episode for the viewer Rerun: cameras, imagined futures, joints and values on one timeline.

Rerun is an optional extra: install `cosmos_policy_ros[rerun]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import rerun

from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries
from cosmos_policy_ros.evaluation.playback import Picture, Playback

TIMELINE = 'episode'
_JPEG_QUALITY = 90


def log_episode(
    playback: Playback, series: EpisodeSeries, name: str, *, path: Path | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Send an episode to a new Rerun viewer, or to a file that it opens.

    Args:
        playback: The images.
        series: Joints and values.
        name: Name of the recording.
        path: The `.rrd` file; None starts a viewer.
        on_progress: Called with the share of the images that is done, 0 to 1.
    """
    recording = rerun.RecordingStream('cosmos_policy_ros', recording_id=name)
    if path is None:
        recording.spawn()
    else:
        recording.save(path)
    for track in series.joints:
        _send(recording, f'joints/{track.name}/measured', track.measured_times_s, track.measured)
        _send(recording, f'joints/{track.name}/commanded', track.commanded_times_s,
              track.commanded)
    _send(recording, 'value', [chunk.stamp_s for chunk in series.chunks],
          [chunk.value for chunk in series.chunks])
    _log_images(recording, playback, series.start_ns, on_progress)
    recording.flush()


def _send(
    recording: rerun.RecordingStream, entity: str, times_s: Sequence[float],
    values: Sequence[float],
) -> None:
    if len(times_s):
        recording.send_columns(
            entity, [rerun.TimeColumn(TIMELINE, duration=np.asarray(times_s))],
            rerun.Scalars.columns(scalars=np.asarray(values)))


def _log_images(
    recording: rerun.RecordingStream, playback: Playback, start_ns: int,
    on_progress: Callable[[float], None],
) -> None:
    shown: dict[str, Picture] = {}
    for count, moment in enumerate(playback, start=1):
        pictures = {**{f'cameras/{camera}': picture for camera, picture in moment.live.items()},
                    **{f'imagined/{camera}': picture
                       for camera, picture in moment.imagined.items()}}
        for entity, picture in pictures.items():
            if picture is not None and shown.get(entity) is not picture:
                recording.set_time(TIMELINE, duration=(picture.stamp_ns - start_ns) / 1e9)
                recording.log(entity, _image(picture.pixels))
                shown[entity] = picture
        on_progress(count / len(playback))


def _image(pixels: np.ndarray) -> rerun.EncodedImage:
    _, data = cv2.imencode('.jpg', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
                           [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return rerun.EncodedImage(contents=data.tobytes(), media_type='image/jpeg')
