# SPDX-License-Identifier: Apache-2.0
"""Serialized image messages taken apart and put together by hand, so that no pixel is copied.

`ImageParts` is a view of a sensor_msgs/Image as the middleware delivered it. `compressed_image`
and `compressed_video` build what is stored in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
import struct

from cosmos_policy_ros.errors import RecordingError

# Plain CDR begins with its byte order; offsets of its fields count from behind these four bytes.
_BYTE_ORDERS = {b'\x00\x00': '>', b'\x00\x01': '<'}
_ENCAPSULATION_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class ImageParts:
    """A serialized sensor_msgs/Image.

    Attributes:
        byte_order: `<` or `>`, that of the message.
        stamp: Seconds and nanoseconds of the header.
        frame_id: Frame of the header, in UTF-8.
        height: Rows.
        width: Columns.
        encoding: For example `rgb8`.
        step: Length of a row in [B].
        data: The rows, a view of the message.
    """

    byte_order: str
    stamp: tuple[int, int]
    frame_id: bytes
    height: int
    width: int
    encoding: str
    step: int
    data: memoryview


def parse_image(message: bytes) -> ImageParts:
    """Take a serialized sensor_msgs/Image apart.

    Raises:
        RecordingError: If the message is no plain CDR of an image, or is cut off.
    """
    reader = _CdrReader(message)
    try:
        stamp = (reader.number('i'), reader.number('I'))
        frame_id = reader.text()
        height, width = reader.number('I'), reader.number('I')
        encoding = reader.text().decode()
        reader.number('B')
        step = reader.number('I')
        data = reader.block(reader.number('I'))
    except (struct.error, UnicodeDecodeError) as error:
        raise RecordingError(
            f'a message of {len(message)} bytes is no sensor_msgs/msg/Image: {error}') from error
    return ImageParts(byte_order=reader.byte_order, stamp=stamp, frame_id=frame_id, height=height,
                      width=width, encoding=encoding, step=step, data=data)


def compressed_image(image: ImageParts, format_text: str, data: bytes) -> bytes:
    """Serialize a sensor_msgs/CompressedImage with the header of an image."""
    writer = _CdrWriter(image.byte_order)
    writer.header(image)
    writer.block(format_text.encode() + b'\0')
    writer.block(data)
    return writer.message()


def compressed_video(image: ImageParts, format_text: str, data: bytes) -> bytes:
    """Serialize a foxglove_msgs/CompressedVideo with the stamp and frame of an image."""
    writer = _CdrWriter(image.byte_order)
    writer.header(image)
    writer.block(data)
    writer.block(format_text.encode() + b'\0')
    return writer.message()


class _CdrReader:
    def __init__(self, message: bytes) -> None:
        order = _BYTE_ORDERS.get(bytes(message[:2]))
        if order is None:
            raise RecordingError(f'message begins with {bytes(message[:4]).hex() or "nothing"}; '
                                 'plain CDR begins with 0000 or 0001')
        self.byte_order = order
        self._body = memoryview(message)[_ENCAPSULATION_BYTES:]
        self._offset = 0

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        self._offset += -self._offset % size
        [value] = struct.unpack_from(self.byte_order + kind, self._body, self._offset)
        self._offset += size
        return value

    def block(self, length: int) -> memoryview:
        if self._offset + length > len(self._body):
            raise struct.error(f'{length} bytes announced at {self._offset}, '
                               f'{len(self._body) - self._offset} there')
        self._offset += length
        return self._body[self._offset - length:self._offset]

    def text(self) -> bytes:
        return bytes(self.block(self.number('I'))).removesuffix(b'\0')


class _CdrWriter:
    def __init__(self, byte_order: str) -> None:
        self._byte_order = byte_order
        self._parts = [b'\0\1\0\0' if byte_order == '<' else b'\0\0\0\0']
        self._offset = 0

    def header(self, image: ImageParts) -> None:
        self._append(struct.pack(self._byte_order + 'iI', *image.stamp))
        self.block(image.frame_id + b'\0')

    def block(self, data: bytes) -> None:
        self._append(bytes(-self._offset % 4))
        self._append(struct.pack(self._byte_order + 'I', len(data)))
        self._append(data)

    def message(self) -> bytes:
        return b''.join(self._parts)

    def _append(self, data: bytes) -> None:
        self._parts.append(data)
        self._offset += len(data)
