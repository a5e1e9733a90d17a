# SPDX-License-Identifier: Apache-2.0
"""H.264 stream of a camera, one message per image."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.cdr_image import compressed_video, ImageParts, parse_image
from cosmos_policy_ros.recording.image_encoding import image_view, VIDEO_TYPE
from cosmos_policy_ros.recording.topic import Topic

try:
    import av
except ImportError:
    av = None

# A reader can begin, and a cut-off file ends, at a key frame.
_KEY_FRAME_PERIOD_NS = 1_000_000_000
_PIXEL_FORMATS = {'rgb8': 'rgb24', 'bgr8': 'bgr24', 'mono8': 'gray'}


class VideoEncoder:
    """H.264 under `<topic>/h264`, in the form that Foxglove plays: Annex B, no B frames."""

    is_stateful = True

    def __init__(self, topic: Topic, *, crf: int) -> None:
        """Set up an encoder.

        Args:
            topic: The topic of the raw images.
            crf: Constant rate factor: 0 is the best, 51 the worst.

        Raises:
            RecordingError: If PyAV is not installed.
        """
        if av is None:
            raise RecordingError(f'{topic.name} cannot be recorded as H.264 without the Python '
                                 'module av; install it, or choose the image encoding jpeg')
        self.stored = replace(topic, name=f'{topic.name}/h264', type_name=VIDEO_TYPE)
        self._crf = crf
        self._codec: av.CodecContext | None = None
        self._key_frame_ns = 0
        self._frames = 0

    def encode(self, message: bytes) -> bytes:
        """Encode one image, see `ImageEncoder`."""
        image = parse_image(message)
        pixels = image_view(image)
        if image.width % 2 or image.height % 2:
            raise RecordingError(f'{self.stored.name}: H.264 takes even sizes, the image has '
                                 f'{image.width} x {image.height} pixels')
        frame = av.VideoFrame.from_ndarray(pixels, format=_PIXEL_FORMATS[image.encoding])
        frame = frame.reformat(format='yuv420p')
        if self._is_key_frame_due(image):
            frame.pict_type = av.video.frame.PictureType.I
        frame.pts = self._frames
        self._frames += 1
        data = b''.join(bytes(packet) for packet in self._codec_for(image).encode(frame))
        if not data:
            raise RecordingError(f'{self.stored.name}: the encoder gave nothing for an image')
        return compressed_video(image, 'h264', data)

    def _is_key_frame_due(self, image: ImageParts) -> bool:
        stamp_ns = image.stamp[0] * 1_000_000_000 + image.stamp[1]
        is_due = not 0 <= stamp_ns - self._key_frame_ns < _KEY_FRAME_PERIOD_NS
        if is_due:
            self._key_frame_ns = stamp_ns
        return is_due

    def _codec_for(self, image: ImageParts) -> av.CodecContext:
        size = (image.width, image.height)
        if self._codec is None or (self._codec.width, self._codec.height) != size:
            codec = av.CodecContext.create('libx264', 'w')
            codec.width, codec.height = size
            codec.pix_fmt = 'yuv420p'
            codec.time_base = Fraction(1, 30)
            # Threads of its own would compete with the control loop for cores.
            codec.thread_count = 1
            codec.options = {'preset': 'veryfast', 'tune': 'zerolatency', 'crf': str(self._crf),
                             'forced-idr': '1'}
            self._codec = codec
        return self._codec
