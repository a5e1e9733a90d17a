# SPDX-License-Identifier: Apache-2.0
"""Images are taken apart and put together as an independent serialiser does it."""

import struct

from hypothesis import given, strategies as st
import numpy as np
import pytest
from rosbags.typesys import get_typestore, Stores

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.cdr_image import (
    compressed_image, compressed_video, ImageParts, parse_image)

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'

TEXT = st.text(st.characters(exclude_characters='\0', codec='utf-8'), max_size=12)
STAMP = st.tuples(st.integers(-2**31, 2**31 - 1), st.integers(0, 2**32 - 1))


def header(stamp, frame_id):
    types = STORE.types
    return types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=stamp[0], nanosec=stamp[1]),
        frame_id=frame_id)


def image(stamp, frame_id, encoding, data):
    return STORE.types[IMAGE](
        header=header(stamp, frame_id), height=3, width=5, encoding=encoding, is_bigendian=0,
        step=7, data=np.frombuffer(data, np.uint8))


@given(STAMP, TEXT, TEXT, st.binary(max_size=40), st.booleans())
def test_every_field_of_an_image_is_found(stamp, frame_id, encoding, data, is_little):
    message = bytes(STORE.serialize_cdr(
        image(stamp, frame_id, encoding, data), IMAGE, little_endian=is_little))
    parts = parse_image(message)
    assert (parts.stamp, parts.frame_id.decode(), parts.encoding) == (stamp, frame_id, encoding)
    assert (parts.height, parts.width, parts.step) == (3, 5, 7)
    assert bytes(parts.data) == data


@given(STAMP, TEXT, TEXT, st.binary(max_size=40), st.booleans())
def test_a_compressed_image_is_what_another_serialiser_makes(
        stamp, frame_id, format_text, data, is_little):
    source = parse_image(bytes(STORE.serialize_cdr(
        image(stamp, frame_id, 'rgb8', b''), IMAGE, little_endian=is_little)))
    expected = STORE.types[COMPRESSED](
        header=header(stamp, frame_id), format=format_text, data=np.frombuffer(data, np.uint8))
    assert compressed_image(source, format_text, data) == bytes(
        STORE.serialize_cdr(expected, COMPRESSED, little_endian=is_little))


def test_a_video_message_holds_stamp_frame_data_and_format_in_this_order():
    source = ImageParts(byte_order='<', stamp=(1, 2), frame_id=b'cam', height=1, width=1,
                        encoding='rgb8', step=3, data=memoryview(b''))
    assert compressed_video(source, 'h264', b'abcde') == b'\0\1\0\0' + struct.pack(
        '<iII4sI5s3xI5s', 1, 2, 4, b'cam\0', 5, b'abcde', 5, b'h264\0')


def test_pixels_are_not_copied():
    message = bytearray(STORE.serialize_cdr(image((0, 0), 'a', 'rgb8', b'xyz'), IMAGE))
    data = parse_image(message).data
    message[message.index(b'xyz')] = ord('w')
    assert bytes(data) == b'wyz'


def test_a_message_that_is_cut_off_anywhere_is_refused():
    message = bytes(STORE.serialize_cdr(image((0, 0), 'cam', 'rgb8', bytes(9)), IMAGE))
    for length in range(len(message)):
        with pytest.raises(RecordingError, match='no sensor_msgs|begins with'):
            parse_image(message[:length])


@pytest.mark.parametrize('start', [b'\0\2\0\0', b'\0\7\0\0', b'\xff\xff\0\0'])
def test_other_encapsulations_are_refused_with_their_bytes(start):
    with pytest.raises(RecordingError, match=start.hex()):
        parse_image(start + bytes(60))
