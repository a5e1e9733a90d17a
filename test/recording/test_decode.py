# SPDX-License-Identifier: Apache-2.0
"""Recorded messages become objects by the definitions in the file, without ROS."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.decode import decoded_messages, image_pixels, stamp_ns
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

IMAGE = 'sensor_msgs/msg/Image'
JOINTS = 'sensor_msgs/msg/JointState'
Begin = Callable[..., EpisodeWriter]


def header(typestore: Typestore, time_ns: int):
    types = typestore.types
    stamp = types['builtin_interfaces/msg/Time'](
        sec=time_ns // 10**9, nanosec=time_ns % 10**9)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id='base')


def record(begin: Begin, type_name: str, data: bytes) -> EpisodeReader:
    writer = begin()
    writer.add_topic(Topic(name='/topic', type_name=type_name))
    writer.write('/topic', data, log_time_ns=5, publish_time_ns=4)
    return EpisodeReader(writer.finish(EpisodeLabel(), ended_ns=1))


def record_image(begin: Begin, typestore: Typestore, data: np.ndarray, **changes):
    fields = {'height': 2, 'width': 3, 'encoding': 'rgb8', 'is_bigendian': 0, 'step': 9,
              **changes}
    message = typestore.types[IMAGE](
        header=header(typestore, 1_000_000_007), data=data, **fields)
    reader = record(begin, IMAGE, bytes(typestore.serialize_cdr(message, IMAGE)))
    [decoded] = decoded_messages(reader)
    return decoded.message


def test_joint_state_of_an_independent_serialiser_is_decoded(begin: Begin, typestore: Typestore):
    message = typestore.types[JOINTS](
        header=header(typestore, 3_000_000_004), name=['waist', 'shoulder'],
        position=np.array([0.5, -1.25]), velocity=np.array([1.0, 2.0]), effort=np.array([]))
    reader = record(begin, JOINTS, bytes(typestore.serialize_cdr(message, JOINTS)))
    [(topic, log_time_ns, decoded)] = decoded_messages(reader, ['/topic'])
    assert (topic, log_time_ns, stamp_ns(decoded)) == ('/topic', 5, 3_000_000_004)
    assert (decoded.name, decoded.position) == (['waist', 'shoulder'], [0.5, -1.25])
    assert (decoded.velocity, decoded.effort) == ([1.0, 2.0], [])


def test_all_messages_come_in_order(recorded: Path):
    texts = [message.message.data for message in decoded_messages(EpisodeReader(recorded))]
    assert texts == [f'text {index}' for index in range(100)]


def test_pixels_are_a_view_of_the_message(begin: Begin, typestore: Typestore):
    data = np.arange(18, dtype=np.uint8)
    image = record_image(begin, typestore, data)
    pixels = image_pixels(image)
    assert np.shares_memory(pixels, np.frombuffer(image.data, np.uint8))
    np.testing.assert_array_equal(pixels, data.reshape(2, 3, 3))


def test_padding_at_the_end_of_a_row_is_left_out(begin: Begin, typestore: Typestore):
    data = np.arange(24, dtype=np.uint8)
    pixels = image_pixels(record_image(begin, typestore, data, step=12))
    np.testing.assert_array_equal(pixels, data.reshape(2, 12)[:, :9].reshape(2, 3, 3))


def test_bgr_becomes_rgb(begin: Begin, typestore: Typestore):
    data = np.arange(18, dtype=np.uint8)
    pixels = image_pixels(record_image(begin, typestore, data, encoding='bgr8'))
    np.testing.assert_array_equal(pixels, data.reshape(2, 3, 3)[..., ::-1])


@pytest.mark.parametrize(('changes', 'problem'), [
    ({'encoding': '16UC1'}, '16UC1.*rgb8'), ({'height': 3}, '3 x 3 .* 18 bytes'),
    ({'step': 6, 'height': 3}, 'step 6')])
def test_image_that_does_not_fit_is_refused(
        begin: Begin, typestore: Typestore, changes: dict, problem: str):
    image = record_image(begin, typestore, np.zeros(18, np.uint8), **changes)
    with pytest.raises(RecordingError, match=problem):
        image_pixels(image)


def test_message_cut_off_is_told_with_topic_and_type(begin: Begin, typestore: Typestore):
    message = typestore.types[JOINTS](
        header=header(typestore, 1), name=['waist'], position=np.array([0.5]),
        velocity=np.array([]), effort=np.array([]))
    data = bytes(typestore.serialize_cdr(message, JOINTS))
    reader = record(begin, JOINTS, data[:30])
    with pytest.raises(RecordingError, match="'/topic'.*JointState"):
        list(decoded_messages(reader))


def test_missing_topic_is_told_before_reading(recorded: Path):
    with pytest.raises(RecordingError, match='/ghost'):
        decoded_messages(EpisodeReader(recorded), ['/ghost'])
