# SPDX-License-Identifier: Apache-2.0
"""Images through real DDS into an episode: encoded, taken compressed, or as they came."""

import os
import resource

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.image_conversions import (
    compressed_from_rgb, image_from_rgb, rgb_from_compressed)
from cosmos_policy_ros.nodes.recorded_images import recorded_topic
from cosmos_policy_ros.nodes.recorder_node import RecorderNode
from cosmos_policy_ros.recording.cdr_image import compressed_image, parse_image
from cosmos_policy_ros.recording.decode import decoded_messages, image_decoder, stamp_ns
from cosmos_policy_ros.recording.image_encoding import ImageEncoding
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.recover import recover

TOPIC = '/cam_high/camera/color/image_rect_raw'


def scene(number, height=48, width=64):
    """Return a smooth picture, RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x + number, 3 * y, x + y], axis=-1).astype(np.uint8)


class World:
    """A recorder, and a camera."""

    def __init__(self, ros, folder, publishers=((Image, TOPIC),), **parameters):
        self.ros, self.folder = ros, folder
        self.node = ros.node()
        self.publishers = [self.node.create_publisher(kind, topic, qos.DRIVER)
                           for kind, topic in publishers]
        self.recorder = ros.add(RecorderNode(**ros.parameters(**{
            'output_directory': str(folder), 'topics': (TOPIC,), 'min_free_bytes': 0,
            'discovery_timeout_s': 5.0, **parameters})))
        self.trigger('start')

    def trigger(self, name):
        """Call a service of the recorder, which must succeed."""
        answer = self.ros.call(self.node, Trigger, f'/recorder_node/{name}', Trigger.Request())
        assert answer.success, answer.message

    def record(self, messages):
        """Publish messages with the publisher that the recorder listens to; return the episode."""
        self.ros.spin_until(
            lambda: any(p.get_subscription_count() for p in self.publishers), 'the subscription')
        [publisher] = [p for p in self.publishers if p.get_subscription_count()]
        for number, message in enumerate(messages):
            publisher.publish(message)
            self.ros.spin_until(
                lambda: self.recorder._recording.messages > number, 'arrival of a message')
        self.trigger('stop')
        return EpisodeReader(self.folder / 'episode_000000')


@pytest.mark.parametrize(('kind', 'stored', 'tolerance'), [
    ('jpeg', f'{TOPIC}/compressed', 3.0), ('png', f'{TOPIC}/compressed', 0.0),
    ('h264', f'{TOPIC}/h264', 8.0), ('raw', TOPIC, 0.0)])
def test_images_arrive_in_the_wanted_form(ros, tmp_path, kind, stored, tolerance):
    world = World(ros, tmp_path, image_encoding=kind)
    reader = world.record([image_from_rgb(scene(i), 10**9 + i, 'optical') for i in range(10)])
    assert [name for name, topic in reader.topics.items() if topic.count] == [stored]
    decode = image_decoder(reader.topics[stored].type_name)
    for number, (_, _, message) in enumerate(decoded_messages(reader, [stored])):
        assert stamp_ns(message) == 10**9 + number
        assert np.abs(decode(message).astype(int) - scene(number)).mean() <= tolerance


def test_ros_itself_reads_a_recorded_jpeg(ros, tmp_path):
    reader = World(ros, tmp_path).record([image_from_rgb(scene(1), 5, 'optical')])
    [message] = reader.messages([f'{TOPIC}/compressed'])
    image = deserialize_message(message.data, CompressedImage)
    assert (image.header.frame_id, image.header.stamp.nanosec) == ('optical', 5)
    assert image.format == 'rgb8; jpeg compressed bgr8'
    assert np.abs(rgb_from_compressed(image).astype(int) - scene(1)).mean() < 3


def test_a_camera_that_compresses_itself_is_recorded_as_it_came(ros, tmp_path):
    world = World(ros, tmp_path, [(Image, TOPIC), (CompressedImage, f'{TOPIC}/compressed')])
    sent = compressed_from_rgb(scene(0), 7, 'optical')
    reader = world.record([sent])
    assert not world.publishers[0].get_subscription_count()
    [message] = reader.messages([f'{TOPIC}/compressed'])
    assert deserialize_message(message.data, CompressedImage) == sent


def test_depth_is_stored_as_it_came(ros, tmp_path):
    depth = image_from_rgb(scene(0), 7, 'optical')
    depth.encoding, depth.step, depth.width = '16UC1', 192, 96
    reader = World(ros, tmp_path).record([depth])
    [message] = reader.messages([TOPIC])
    assert deserialize_message(message.data, Image) == depth


@pytest.mark.parametrize('frame_id', ['', 'a', 'ab', 'abc', 'abcd', 'ä'])
def test_the_parts_of_an_image_are_those_of_rclpy(frame_id):
    sent = image_from_rgb(scene(3), 123456789012, frame_id)
    message = serialize_message(sent)
    parts = parse_image(message)
    assert parts.stamp == (sent.header.stamp.sec, sent.header.stamp.nanosec)
    assert (parts.frame_id.decode(), parts.encoding) == (frame_id, 'rgb8')
    assert (parts.height, parts.width, parts.step) == (48, 64, 192)
    assert bytes(parts.data) == sent.data.tobytes()
    built = deserialize_message(compressed_image(parts, 'jpeg', b'12345'), CompressedImage)
    assert built == CompressedImage(header=sent.header, format='jpeg', data=b'12345')


@pytest.mark.parametrize(('types', 'encoding', 'expected'), [
    ({}, 'jpeg', None), ({'/i': 'sensor_msgs/msg/Image'}, 'jpeg', '/i'),
    ({'/i/compressed': 'sensor_msgs/msg/CompressedImage'}, 'jpeg', '/i/compressed'),
    ({'/i/compressed': 'sensor_msgs/msg/CompressedImage'}, 'png', None),
    ({'/i': 'sensor_msgs/msg/Image', '/i/compressed': 'std_msgs/msg/String'}, 'jpeg', '/i'),
    ({'/i': 'std_msgs/msg/String', '/i/compressed': 'sensor_msgs/msg/CompressedImage'}, 'jpeg',
     '/i')])
def test_which_topic_is_recorded_for_a_wanted_one(types, encoding, expected):
    assert recorded_topic('/i', types, ImageEncoding(kind=encoding)) == expected


def test_a_full_disk_is_said_and_what_was_written_can_be_had_back(ros, tmp_path):
    world = World(ros, tmp_path, image_encoding='raw', compression='none', flush_period_s=0.01)
    ros.spin_until(world.publishers[0].get_subscription_count, 'the subscription')
    picture = image_from_rgb(np.frombuffer(os.urandom(48 * 64 * 3), np.uint8).reshape(
        48, 64, 3), 0, 'optical')
    file = tmp_path / 'episode_000000.partial/episode_000000_0.mcap'

    def fills_until(is_reached):
        world.publishers[0].publish(picture)
        return is_reached()

    ros.spin_until(lambda: fills_until(lambda: file.stat().st_size > 200_000), 'the disk')
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 200_000, usual[1]))
    try:
        ros.spin_until(lambda: fills_until(
            lambda: 'File too large' in world.recorder._problem), 'the refusal of the disk')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert 'cosmos-policy recover' in world.recorder._problem
    world.trigger('start')
    done = recover(tmp_path / 'episode_000000.partial')
    assert done.messages > 10
    assert all(deserialize_message(message.data, Image) == picture
               for message in EpisodeReader(done.path).messages())
