# SPDX-License-Identifier: Apache-2.0
"""The fault service of simulated_aloha_node, over real topics."""

import numpy as np
import pytest
from sensor_msgs.msg import Image, JointState

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.interfaces import InjectFault
from cosmos_policy_ros.nodes.simulated_aloha_node import SimulatedAlohaNode

LEFT, RIGHT = 'follower_left', 'follower_right'


class World:
    """The simulated robot, what it publishes, and its fault service."""

    def __init__(self, ros, **parameters):
        self.ros, self.node = ros, ros.node()
        ros.add(SimulatedAlohaNode(**ros.parameters(**{'render': False, **parameters})))
        self.states = {arm: ros.collect(self.node, JointState, f'/{arm}/joint_states')
                       for arm in (LEFT, RIGHT)}
        ros.spin_until(lambda: all(self.states.values()), 'joint states')

    def inject(self, name, **request):
        """Call the service."""
        return self.ros.call(self.node, InjectFault, '/simulated_aloha_node/inject_fault',
                             InjectFault.Request(name=name, **request))

    def after(self, condition, what):
        """Wait for a condition on fresh joint states."""
        for states in self.states.values():
            states.clear()
        self.ros.spin_until(condition, what)


@pytest.fixture
def world(ros):
    """The robot without cameras."""
    return World(ros)


def test_a_fault_hits_its_target_only_until_it_is_cleared(ros, world):
    answer = world.inject('joints_nan', target=LEFT)
    assert answer.success and 'follower_left: reads of the bus fail' in answer.message
    world.after(lambda: len(world.states[LEFT]) > 5 and len(world.states[RIGHT]) > 5, 'states')
    assert np.isnan(world.states[LEFT][-1].position[0])
    assert not np.isnan(world.states[RIGHT][-1].position).any()
    assert world.inject('').message == '1 faults ended'
    world.after(lambda: len(world.states[LEFT]) > 5, 'states')
    assert not np.isnan(world.states[LEFT][-1].position).any()


def test_a_fault_with_a_duration_ends_by_itself(ros, world):
    assert world.inject('joints_drop', target='both', duration_s=0.3).success
    world.states[LEFT].clear()
    ros.spin(0.15)
    world.after(lambda: len(world.states[LEFT]) > 20 and len(world.states[RIGHT]) > 20,
                'joint states again')


def test_wrong_stamps_are_published(world):
    world.inject('joints_clock_jump', target=RIGHT, amount=5.0)
    world.after(lambda: world.states[RIGHT] and world.states[LEFT], 'states')
    ahead_s, here_s = (
        (conversions.stamp_to_ns(world.states[arm][-1].header.stamp)
         - world.node.get_clock().now().nanoseconds) / 1e9 for arm in (RIGHT, LEFT))
    assert 3.0 < ahead_s < 5.1 and -2.0 < here_s <= 0.0


def test_a_crashed_driver_vanishes_and_comes_back(ros, world):
    def services():
        return {name for name, _ in world.node.get_service_names_and_types()
                if name.startswith(f'/{RIGHT}/')}
    ros.spin_until(lambda: len(services()) == 7, 'seven services')
    assert world.inject('driver_crash', target=RIGHT).success
    ros.spin_until(lambda: not services()
                   and not world.node.count_publishers(f'/{RIGHT}/joint_states')
                   and not world.node.count_subscribers(f'/{RIGHT}/commands/joint_group'),
                   'the end of the driver')
    assert world.node.count_publishers(f'/{LEFT}/joint_states') == 1
    world.inject('')
    world.after(lambda: len(services()) == 7 and len(world.states[RIGHT]) > 5, 'a new driver')


@pytest.mark.parametrize(('request_fields', 'words'), [
    ({'name': 'gremlins'}, ("'gremlins'", 'joints_freeze', 'camera_drop')),
    ({'name': 'joints_nan', 'target': 'leg'}, ("'leg'", LEFT, RIGHT)),
    ({'name': 'camera_drop'}, ('no camera is simulated',)),
    ({'name': 'joints_drop', 'amount': 7.0}, ('7.0', '0.01 to 1')),
])
def test_a_request_that_makes_no_sense_is_refused_with_what_is_allowed(
        world, request_fields, words):
    answer = world.inject(**request_fields)
    assert not answer.success
    for word in words:
        assert word in answer.message
    world.after(lambda: len(world.states[LEFT]) > 5, 'joint states as ever')


def test_a_frozen_camera_publishes_one_picture_under_fresh_stamps(ros):
    world = World(ros, render=True, cameras=('cam_high',), image_rate_hz=10.0)
    images = ros.collect(world.node, Image, '/cam_high/image', qos.CAMERA)
    ros.spin_until(lambda: images, 'images', timeout_s=30.0)
    assert world.inject('camera_freeze').success
    images.clear()
    ros.spin_until(lambda: len(images) > 4, 'frozen images', timeout_s=30.0)
    newest = images[-2:]
    assert newest[0].data == newest[1].data
    assert conversions.stamp_to_ns(newest[0].header.stamp) < conversions.stamp_to_ns(
        newest[1].header.stamp)
