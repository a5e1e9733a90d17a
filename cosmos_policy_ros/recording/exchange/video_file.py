# SPDX-License-Identifier: Apache-2.0
"""One camera as an MP4 file: written as images come, read frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.exchange.yuv_image import YuvConverter
from cosmos_policy_ros.recording.step_image import StepImage

CODEC, PIXEL_FORMAT = 'h264', 'yuv420p'
# On camera images no larger, no worse and a third of the work of the presets after it.
_PRESET = 'ultrafast'


class VideoFileWriter:
    """Writes images of one size as H.264. Use it in a `with` statement."""

    def __init__(
        self, path: Path, rate_hz: Fraction, *, gop: int, quantiser: int,
    ) -> None:
        """Open the file.

        Args:
            path: The file.
            rate_hz: Frames per second.
            gop: Frames from one key frame to the next: small for reading at random.
            quantiser: That of all frames between key frames, 0 to 51: 0 is lossless. A constant
                one spares the encoder its look at a smaller copy of every frame, by which a rate
                factor is kept.
        """
        self._container = av.open(str(path), 'w', format='mp4', options={
            'movflags': 'faststart'})
        self._stream = self._container.add_stream(
            'libx264', rate=rate_hz,
            options={'qp': str(quantiser), 'preset': _PRESET, 'tune': 'zerolatency'})
        self._stream.pix_fmt = PIXEL_FORMAT
        # Episodes are encoded in parallel, one process each.
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.gop_size = gop
        self._converter = YuvConverter()
        self._shown: StepImage | None = None
        self._frame: av.VideoFrame | None = None
        self._size: tuple[int, int] | None = None
        self._count = 0

    def __enter__(self) -> VideoFileWriter:
        """Return the writer."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Complete the file."""
        if self._count and exception[0] is None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def add(self, image: StepImage) -> av.VideoFrame:
        """Append an image; the same object again costs no conversion.

        Returns:
            The image as the encoder takes it.

        Raises:
            RecordingError: If it cannot be decoded, or its size is odd or another than before.
        """
        if image is not self._shown:
            planes = self._converter.planes(image)
            self._check_size(planes)
            # Not copied: the frame keeps the array.
            self._frame = av.VideoFrame.from_numpy_buffer(planes, format=PIXEL_FORMAT)
            self._shown = image
        self._frame.pts = self._count
        self._count += 1
        self._container.mux(self._stream.encode(self._frame))
        return self._frame

    def _check_size(self, planes: np.ndarray) -> None:
        rows, width = planes.shape
        size = (width, rows * 2 // 3)
        if self._size not in (None, size):
            raise RecordingError(
                f'image has {size[0]} x {size[1]} pixels; video needs one size for all, the '
                f'first had {self._size[0]} x {self._size[1]}')
        if self._size is None:
            self._size = self._stream.width, self._stream.height = size


def read_video(
    path: Path, *, start_s: float = 0.0, num_frames: int | None = None,
) -> Iterator[np.ndarray]:
    """Iterate over the frames of a video as RGB, shape (H, W, 3), uint8.

    Args:
        path: The file.
        start_s: Time of the first frame in [s].
        num_frames: How many frames; all to the end if None.

    Raises:
        RecordingError: If the file cannot be read, or has fewer frames.
    """
    count = 0
    try:
        with av.open(str(path)) as container:
            [stream] = container.streams.video[:1] or [None]
            if stream is None:
                raise RecordingError(f'{path} has no video stream')
            stream.thread_type = 'AUTO'
            half_frame_s = 0.5 / float(stream.average_rate or 30)
            if start_s:
                container.seek(int(start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time < start_s - half_frame_s:
                    continue
                if count == num_frames:
                    return
                yield frame.to_ndarray(format='rgb24')
                count += 1
    # PyAV reports what the operating system refuses as OSError or as its own kind.
    except (OSError, av.FFmpegError) as error:
        raise RecordingError(f'cannot read video {path}: {error}') from error
    if num_frames is not None and count < num_frames:
        raise RecordingError(f'video {path} has {count} frames from {start_s:.3f} s; '
                             f'{num_frames} are expected')
