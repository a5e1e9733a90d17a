# SPDX-License-Identifier: Apache-2.0
"""The survey against the simulated robot and against cameras and drivers that misbehave."""

import array
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, JointState

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.nodes.image_conversions import image_from_rgb
from cosmos_policy_ros.nodes.interfaces import JointGroupCommand, JointSingleCommand
from cosmos_policy_ros.nodes.simulated_aloha_node import SimulatedAlohaNode
from cosmos_policy_ros.nodes.stream_survey import middleware_name, StreamSurvey, survey_streams

PRESET = load_preset('interbotix')
CAMERA_TOPIC = PRESET.names['cam_high/image']


class World:
    """A survey of whatever is on the topics of one robot."""

    def __init__(self, ros):
        self.ros, self.node = ros, ros.node('rig')
        self._survey = ros.add(StreamSurvey(PRESET, **ros.parameters()))
        self.random = np.random.default_rng(0)

    def stream(self, name):
        """What has been seen of one stream."""
        return {stream.name: stream for stream in self._survey.look().streams}[name]

    @property
    def commanders(self):
        """Who commands the arms."""
        return self._survey.look().commanders

    def camera(self, make, *, period_s=0.02, reliability=ReliabilityPolicy.RELIABLE,
               node=None):
        """Publish what `make` returns at a fixed rate."""
        node = node or self.node
        publisher = node.create_publisher(
            Image, CAMERA_TOPIC, QoSProfile(depth=5, reliability=reliability))
        return node.create_timer(period_s, lambda: publisher.publish(make()))

    def image(self, *, pixels=None, age_s=0.0, **fields):
        """Return a noisy image that was taken `age_s` ago."""
        if pixels is None:
            pixels = self.random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
        stamp_ns = self.node.get_clock().now().nanoseconds - int(age_s * 1e9)
        msg = image_from_rgb(pixels, stamp_ns, 'cam_high')
        for name, value in fields.items():
            setattr(msg, name, value)
        return msg

    def wait_for(self, name, num_messages):
        """Spin until so many messages of a stream came."""
        self.ros.spin_until(lambda: self.stream(name).num_messages >= num_messages,
                            f'{num_messages} messages of {name}')
        return self.stream(name)


@pytest.fixture
def world(ros):
    """A survey without a robot."""
    return World(ros)


def test_the_simulated_arms_are_seen_with_rate_age_and_content(ros, world):
    ros.add(SimulatedAlohaNode(**ros.parameters(render=False)))
    for arm in ('follower_left', 'follower_right'):
        stream = world.wait_for(f'{arm}/joint_states', 60)
        assert [publisher.node for publisher in stream.publishers] == ['/simulated_aloha_node']
        assert stream.publishers[0].is_reliable
        assert stream.publishers[0].type_name == stream.type_name == 'sensor_msgs/msg/JointState'
        assert 40 < stream.rate_hz < 130 and 0 <= stream.median_age_s < 0.1
        assert stream.content.startswith('9 joints') and '-0.96, 1.16' in stream.content
        assert not stream.problem and not stream.concern


@pytest.mark.parametrize(('kind', 'problem'), [('minus_pi', 'at -pi'), ('nan', 'waist is nan')])
def test_a_failed_bus_read_is_told(ros, world, kind, problem):
    robot = ros.add(SimulatedAlohaNode(**ros.parameters(render=False)))
    with robot._simulation.driver('follower_right') as driver:
        driver.read_failure = kind
    assert problem in world.wait_for('follower_right/joint_states', 5).problem
    assert not world.wait_for('follower_left/joint_states', 5).problem


def test_nothing_is_seen_where_nobody_publishes(ros, world):
    ros.spin(0.3)
    stream = world.stream('cam_low/image')
    assert not stream.publishers and not stream.num_messages and stream.rate_hz == 0.0
    assert world.commanders == {'follower_left': (), 'follower_right': ()}


def test_an_image_stream_is_seen_with_encoding_size_and_rate(world):
    world.camera(world.image)
    stream = world.wait_for('cam_high/image', 30)
    assert stream.content == 'rgb8 640x480' and not stream.problem and not stream.concern
    assert 20 < stream.rate_hz < 60 and stream.median_age_s < 0.1


def test_a_best_effort_camera_is_heard_and_marked(world):
    world.camera(world.image, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert not world.wait_for('cam_high/image', 3).publishers[0].is_reliable


@pytest.mark.parametrize(('age_s', 'low_s', 'high_s'), [(0.8, 0.8, 1.2), (-5.0, -5.0, -4.5)])
def test_old_stamps_and_stamps_ahead_of_the_clock_show_in_the_age(world, age_s, low_s, high_s):
    world.camera(lambda: world.image(age_s=age_s))
    assert low_s <= world.wait_for('cam_high/image', 3).median_age_s <= high_s


def test_a_frozen_camera_is_a_concern(world):
    still = world.random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    world.camera(lambda: world.image(pixels=still))
    assert 'identical' in world.wait_for('cam_high/image', 8).concern


def test_a_covered_camera_is_a_concern(world):
    def dark():
        return world.random.integers(0, 3, (480, 640, 3), dtype=np.uint8)
    world.camera(lambda: world.image(pixels=dark()))
    assert 'flat colour, mean 1 of 255' in world.wait_for('cam_high/image', 2).concern


def test_an_unexpected_size_is_a_concern(world):
    world.camera(lambda: world.image(pixels=world.random.integers(
        0, 256, (240, 320, 3), dtype=np.uint8)))
    assert world.wait_for('cam_high/image', 2).concern == (
        'the image is 320x240, expected 640x480')


@pytest.mark.parametrize(('fields', 'problem'), [
    ({'encoding': 'mono16'}, "encoding 'mono16'"),
    ({'data': array.array('B', [1, 2, 3])}, 'holds 3 bytes'),
])
def test_an_unusable_image_is_a_problem(world, fields, problem):
    world.camera(lambda: world.image(**fields))
    assert problem in world.wait_for('cam_high/image', 2).problem


@pytest.fixture
def other_process(ros):
    """A node in a ROS context of its own: one process cannot have two types on one topic."""
    context = rclpy.Context()
    context.init(domain_id=ros.context.get_domain_id())
    node = rclpy.create_node('other', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_a_topic_of_another_type_shows_its_type_and_no_messages(ros, world, other_process):
    publisher = other_process.create_publisher(CompressedImage, CAMERA_TOPIC, 5)
    ros.spin_until(lambda: world.stream('cam_high/image').publishers, 'the publisher')
    publisher.publish(CompressedImage())
    ros.spin(0.3)
    stream = world.stream('cam_high/image')
    assert stream.publishers[0].type_name == 'sensor_msgs/msg/CompressedImage'
    assert stream.num_messages == 0


def test_a_pause_shows_as_gap_and_goes_on_until_now(ros, world):
    camera = world.camera(world.image)
    world.wait_for('cam_high/image', 5)
    camera.cancel()
    ros.spin(0.5)
    assert world.stream('cam_high/image').max_gap_s >= 0.4


def test_every_publisher_of_a_stream_is_named(ros, world):
    for node in (world.node, ros.node('second_rig')):
        world.camera(world.image, node=node)
    ros.spin_until(lambda: len(world.stream('cam_high/image').publishers) == 2, 'both publishers')
    assert {publisher.node for publisher in world.stream('cam_high/image').publishers} == {
        '/rig', '/second_rig'}


def test_commanders_are_named_once_per_arm(ros, world):
    for kind, topic in ((JointGroupCommand, 'joint_group'), (JointSingleCommand, 'joint_single')):
        world.node.create_publisher(kind, f'/follower_left/commands/{topic}', 10)
    ros.spin_until(lambda: world.commanders['follower_left'], 'the commander')
    assert world.commanders == {'follower_left': ('/rig',), 'follower_right': ()}


def test_a_survey_by_itself_ends_in_time_and_takes_the_names_of_the_preset(ros, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros.context.get_domain_id()))
    ros.add(SimulatedAlohaNode(**ros.parameters(render=False)))
    renamed = {**PRESET.names, 'follower_left/joint_states': '/elsewhere'}
    survey = survey_streams(replace(PRESET, names=renamed), listen_s=1.5)
    by_name = {stream.name: stream for stream in survey.streams}
    assert by_name['follower_left/joint_states'].topic == '/elsewhere'
    assert not by_name['follower_left/joint_states'].publishers
    assert by_name['follower_right/joint_states'].num_messages > 20


def test_joint_states_of_another_robot_are_a_problem(ros, world):
    publisher = world.node.create_publisher(JointState, '/follower_left/joint_states', 10)
    world.node.create_timer(0.02, lambda: publisher.publish(
        JointState(name=['hip'], position=[0.0])))
    assert 'lacks waist' in world.wait_for('follower_left/joint_states', 2).problem


def test_the_middleware_has_a_name():
    assert middleware_name().startswith('rmw_')
