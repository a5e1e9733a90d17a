# SPDX-License-Identifier: Apache-2.0
"""Video of an episode: each camera above the future that the policy had imagined for then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.contact_sheet import ContactSheet, Panel
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.playback import Moment, Picture, Playback
from cosmos_policy_ros.recording.reader import EpisodeReader


def render_video(
    reader: EpisodeReader, path: Path, topics: EpisodeTopics, *, frame_rate_hz: int = 15,
    on_progress: Callable[[float], None] = lambda share: None,
) -> int:
    """Write a video (H.264, MP4) of an episode, at the speed at which it happened.

    Args:
        reader: The episode.
        path: The video file; replaced if it exists, but only by a complete video.
        topics: Names of the topics. Cameras that were not recorded are left out.
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
    write_video(path, sheet.size, frame_rate_hz,
                _draw_frames(playback, sheet, reader.metadata.task, on_progress))
    return len(playback)


def write_video(
    path: Path, size: tuple[int, int], frame_rate_hz: int, frames: Iterable[np.ndarray],
) -> None:
    """Write a video (H.264, MP4), replacing an older one only by a complete one.

    Args:
        path: The video file.
        size: Width and height of the frames, both even.
        frame_rate_hz: Frames per second.
        frames: Pictures of shape (H, W, 3), uint8, RGB.

    Raises:
        RecordingError: If it cannot be written.
    """
    draft = path.with_name(f'{path.name}.partial')
    try:
        _encode(draft, size, frame_rate_hz, frames)
        draft.replace(path)
    # PyAV reports what the operating system refuses as OSError or as its own kind.
    except (OSError, av.FFmpegError) as error:
        raise RecordingError(f'cannot write video {path}: {error}') from error
    finally:
        draft.unlink(missing_ok=True)


def _encode(
    path: Path, size: tuple[int, int], frame_rate_hz: int, frames: Iterable[np.ndarray],
) -> None:
    with av.open(str(path), 'w', format='mp4', options={'movflags': 'faststart'}) as container:
        stream = container.add_stream('libx264', rate=Fraction(frame_rate_hz))
        stream.width, stream.height = size
        stream.pix_fmt = 'yuv420p'
        stream.options = {'crf': '21', 'preset': 'veryfast'}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode())


def _draw_frames(
    playback: Playback, sheet: ContactSheet, task: str, on_progress: Callable[[float], None],
) -> Iterator[np.ndarray]:
    for count, moment in enumerate(playback, start=1):
        yield draw_sheet(moment, playback, sheet, task)
        on_progress(count / len(playback))


def draw_sheet(moment: Moment, playback: Playback, sheet: ContactSheet, task: str) -> np.ndarray:
    """Return a moment as one picture, (H, W, 3) uint8: cameras above what was imagined."""
    panels = {camera: (_live_panel(camera, moment, playback.start_ns),
                       _imagined_panel(camera, moment, playback.start_ns))
              for camera in playback.cameras}
    is_untrained = moment.chunk is not None and not moment.chunk.is_trained
    return sheet.compose(panels, _heading(moment, playback.start_ns, task),
                         'untrained: random weights' if is_untrained else '')


def _heading(moment: Moment, start_ns: int, task: str) -> str:
    value = '' if moment.chunk is None else f'value {moment.chunk.value:.2f}   '
    return f'{_seconds(moment.time_ns, start_ns)}   {value}{task}'


def _live_panel(camera: str, moment: Moment, start_ns: int) -> Panel:
    picture = moment.live[camera]
    time = '' if picture is None else f' at {_seconds(picture.stamp_ns, start_ns)}'
    return Panel(caption=f'{camera}: camera{time}',
                 image=None if picture is None else picture.pixels, placeholder='no image yet')


def _imagined_panel(camera: str, moment: Moment, start_ns: int) -> Panel:
    if moment.imagined.get(camera) is None:
        has_predictions = camera in moment.imagined
        return Panel(caption=f'{camera}: imagined', image=None, placeholder=(
            'no prediction yet' if has_predictions else 'not predicted'))
    picture, live = moment.imagined[camera], moment.live[camera]
    # The policy sees squashed squares; shown like the camera, both can be compared.
    return Panel(caption=f'{camera}: imagined for {_seconds(picture.stamp_ns, start_ns)}',
                 image=picture.pixels, aspect_ratio=_aspect_ratio(live))


def _aspect_ratio(picture: Picture | None) -> float | None:
    return None if picture is None else picture.pixels.shape[1] / picture.pixels.shape[0]


def _seconds(time_ns: int, start_ns: int) -> str:
    return f'{(time_ns - start_ns) / 1e9:.1f} s'
