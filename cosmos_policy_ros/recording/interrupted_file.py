# SPDX-License-Identifier: Apache-2.0
"""What a file still holds whose recording was interrupted: every chunk that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
import struct
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Header, Message, Schema
from mcap.stream_reader import breakup_chunk

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.writer import LIBRARY

_MAGIC = b'\x89MCAP0\r\n'
_RECORD_HEADER = struct.Struct('<BQ')


class InterruptedFile:
    """The whole records of an MCAP file of this package, whatever became of its end.

    A file grows at its end only, so an interruption leaves a beginning that is whole. A power cut
    may leave anything behind what was last forced onto the disk.

    Attributes:
        path: The file.
        dropped_bytes: Length of what was passed over as damaged or cut off in [B]; known once
            `records` is exhausted.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Look at the beginning of a file.

        Args:
            file: The file, open for reading.
            path: Its path.

        Raises:
            RecordingError: If it is no MCAP file or not one of this package.
        """
        self.path = path
        self.dropped_bytes = 0
        self._file = file
        self._size = file.seek(0, 2)
        self._check_beginning()

    def records(self) -> Iterator[Schema | Channel | Message]:
        """Iterate over what the whole chunks hold, in the order in which it was written."""
        self._file.seek(len(_MAGIC))
        self.dropped_bytes = 0
        while (record := self._next_record()) is not None:
            opcode, body = record
            if opcode == Opcode.DATA_END:
                return
            if opcode == Opcode.CHUNK:
                yield from self._unpack(body)

    def _check_beginning(self) -> None:
        self._file.seek(0)
        magic = self._file.read(len(_MAGIC))
        if not magic or not _MAGIC.startswith(magic):
            raise RecordingError(f'{self.path} ' + (
                'is no MCAP file' if self._size else 'is empty: nothing reached the disk'))
        record = self._next_record()
        if record is None or record[0] != Opcode.HEADER:
            raise RecordingError(f'{self.path} holds no message: nothing reached the disk before '
                                 'the interruption')
        library = _library(record[1])
        if library != LIBRARY:
            raise RecordingError(f'{self.path} was written by {library!r}, not by this package; '
                                 'use the tools that recorded it')

    def _next_record(self) -> tuple[int, bytes] | None:
        """Return opcode and body of a whole record; None where there is none any more."""
        start = self._file.tell()
        head = self._file.read(_RECORD_HEADER.size)
        opcode, length = (_RECORD_HEADER.unpack(head) if len(head) == _RECORD_HEADER.size
                          else (0, 0))
        if opcode == 0 or self._file.tell() + length > self._size:
            self.dropped_bytes += self._size - start
            return None
        return opcode, self._file.read(length)

    def _unpack(self, body: bytes) -> list[Schema | Channel | Message]:
        try:
            return breakup_chunk(Chunk.read(ReadDataStream(BytesIO(body))), validate_crc=True)
        # The parser has no one error for damage: it raises what the bytes lead it to.
        except Exception:
            self.dropped_bytes += len(body)
            return []


def _library(body: bytes) -> str:
    try:
        return Header.read(ReadDataStream(BytesIO(body))).library
    except Exception:
        return ''
