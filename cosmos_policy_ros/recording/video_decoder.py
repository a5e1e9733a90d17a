# SPDX-License-Identifier: Apache-2.0
"""Pictures of a recorded H.264 stream, one per message."""

from __future__ import annotations

from typing import Any

import numpy as np

from cosmos_policy_ros.errors import RecordingError

try:
    import av
except ImportError:
    av = None


class VideoDecoder:
    """Decodes the messages of one stream. Each needs those before it, back to a key frame."""

    def __init__(self) -> None:
        """Begin a stream.

        Raises:
            RecordingError: If PyAV is not installed.
        """
        if av is None:
            raise RecordingError('a recorded video cannot be decoded without the Python module '
                                 'av; install it')
        self._codec = av.CodecContext.create('h264', 'r')
        # Threads that work on several pictures would hold each back until the next ones come.
        self._codec.thread_type = 'SLICE'

    def decode(self, video: Any) -> np.ndarray:
        """Decode the next foxglove_msgs/CompressedVideo.

        Returns:
            RGB image of shape (H, W, 3), uint8.

        Raises:
            RecordingError: If the format is not h264, the data are damaged, or the key frame is
                missing.
        """
        if video.format != 'h264':
            raise RecordingError(f'video format is {video.format!r}; allowed is h264')
        try:
            frames = self._codec.decode(av.Packet(bytes(video.data)))
        except av.error.FFmpegError as error:
            raise RecordingError(
                f'a video message of {len(video.data)} bytes cannot be decoded: {error}'
            ) from error
        if len(frames) != 1:
            raise RecordingError(f'a video message of {len(video.data)} bytes gives {len(frames)} '
                                 'pictures; expected one')
        return frames[0].to_ndarray(format='rgb24')
