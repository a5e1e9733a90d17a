# SPDX-License-Identifier: Apache-2.0
"""What may lead to a motion: no start outlives a stop, no pressed button is forgotten."""

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.task import Future
from rclpy.time import Time
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from test_arm_node import ramp, World

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.nodes import qos


class SlowDrivers:
    """Lets the checks of a start wait until a test answers for the drivers."""

    def __init__(self, world):
        self._drivers = world.arms._drivers
        self._ready = self._drivers.require_ready
        self._drivers.require_ready = self._require_ready
        self.asked, self.answer = 0, Future()

    async def _require_ready(self):
        self.asked += 1
        await self.answer
        await self._ready()

    def release(self):
        """Answer, now and from now on."""
        self.answer.set_result(None)


def begin(ros, world, name):
    """Call a service of the arm node and return the future of its answer."""
    client = world.node.create_client(Trigger, f'/arm_node/{name}')
    ros.spin_until(client.service_is_ready, name)
    return client.call_async(Trigger.Request())


@pytest.fixture
def button(ros, world):
    """A pressed or released emergency stop, as buttons publish that are not latched."""
    publisher = world.node.create_publisher(Bool, '/emergency_stop', qos.CHUNK)
    ros.spin_until(publisher.get_subscription_count, 'the subscription')
    return publisher


@pytest.fixture
def world(ros):
    """A world with default parameters, whose joints are known."""
    world = World(ros)
    ros.spin_until(lambda: world.statuses and len(world.status.measured) == 14, 'joint states')
    return world


@pytest.mark.parametrize('motion', ['start', 'go_home', 'sleep'])
@pytest.mark.parametrize('stop', ['stop', 'emergency_stop', 'deactivate'])
def test_a_motion_that_waits_for_the_drivers_does_not_outlive_a_stop(
        ros, world, button, motion, stop):
    drivers = SlowDrivers(world)
    answer = begin(ros, world, motion)
    ros.spin_until(lambda: drivers.asked, 'the drivers to be asked')
    if stop == 'stop':
        assert ros.call(world.node, Trigger, '/arm_node/stop', Trigger.Request()).success
    elif stop == 'emergency_stop':
        button.publish(Bool(data=True))
        ros.spin_until(lambda: world.status.stop_reason == 'emergency_stop', 'the stop')
        button.publish(Bool(data=False))
        ros.spin(0.2)
    else:
        world.arms.trigger_deactivate()
        world.arms.trigger_activate()
    drivers.release()
    ros.spin_until(answer.done, 'an answer')
    assert not answer.result().success and 'stopped' in answer.result().message
    ros.spin(0.3)
    assert world.status.state == 'inactive' and not any(world.groups.values())


@pytest.mark.parametrize('stop', ['stop', 'emergency_stop', 'go_home'])
def test_the_automatic_start_is_given_up_for_good(ros, stop):
    world = World(ros, start_on_activate=True, autostart='inactive')
    button = world.node.create_publisher(Bool, '/emergency_stop', qos.CHUNK)

    async def are_away():
        raise RobotError('the drivers are away')
    world.arms._drivers.require_ready = are_away
    world.arms.trigger_activate()
    ros.spin_until(lambda: world.arms._start_problem, 'a start that failed')
    if stop == 'emergency_stop':
        button.publish(Bool(data=True))
        ros.spin_until(lambda: world.status.stop_reason == 'emergency_stop', 'the stop')
        button.publish(Bool(data=False))
    else:
        ros.call(world.node, Trigger, f'/arm_node/{stop}', Trigger.Request())
    ros.spin(0.5)
    drivers = SlowDrivers(world)
    ros.spin(2.5)
    assert not drivers.asked and world.status.state == 'inactive'


def test_a_pressed_button_is_remembered_by_the_next_configuration(ros, world, button):
    button.publish(Bool(data=True))
    ros.spin_until(lambda: world.status.stop_reason == 'emergency_stop', 'the stop')
    world.arms.trigger_deactivate()
    world.arms.trigger_cleanup()
    world.arms.trigger_configure()
    world.arms.trigger_activate()
    answer = world.start()
    assert not answer.success and 'emergency stop' in answer.message


def test_a_button_pressed_while_unconfigured_counts(ros, world, button):
    world.arms.trigger_deactivate()
    world.arms.trigger_cleanup()
    button.publish(Bool(data=True))
    ros.spin(0.5)
    world.arms.trigger_configure()
    world.arms.trigger_activate()
    answer = world.start()
    assert not answer.success and 'emergency stop' in answer.message


def test_what_a_latched_button_said_before_the_node_came_counts(ros):
    early = ros.node('early')
    early.create_publisher(Bool, '/emergency_stop', qos.STATUS).publish(Bool(data=True))
    world = World(ros, start_on_activate=True)
    ros.spin_until(lambda: world.statuses and world.status.stop_reason == 'emergency_stop',
                   'the stop')
    answer = world.start()
    assert not answer.success and 'emergency stop' in answer.message


def test_a_clock_that_is_set_back_holds_the_arms_at_once(ros, world):
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    clock = world.arms.get_clock()
    earlier = Time(nanoseconds=clock.now().nanoseconds - 60 * 10**9, clock_type=clock.clock_type)
    clock._set_ros_time_is_active(True)
    clock.set_ros_time_override(earlier)
    world.wait_for('holding', 'clock_went_back')
    assert 'went back' in world.status.detail


def test_arms_that_a_fault_stopped_are_not_parked(ros):
    world = World(ros, park_on_shutdown=True, driver_poll_period_s=0.2)
    assert world.start().success
    with world.robot._simulation.driver('follower_left') as driver:
        driver.fail_motor('elbow')
    world.wait_for('holding', 'motor_error')
    # The arm of that motor is limp and sinks; parking would open both grippers first.
    stays = [6, *range(7, 14)]
    before = np.array(world.status.measured)[stays]
    parked = ros.executor.create_task(world.arms.park)
    ros.spin_until(parked.done, 'the end of parking')
    ros.spin(0.3)
    assert (world.status.state, world.status.stop_reason) == ('holding', 'motor_error')
    np.testing.assert_allclose(np.array(world.status.measured)[stays], before, atol=0.02)


def test_arms_brake_no_more_gently_from_the_middle_of_a_motion_on(ros, world):
    def set_limit(value):
        return world.arms.set_parameters([Parameter('max_acceleration_rad_s2', value=value)])[0]
    assert 'max_acceleration_rad_s2' in set_limit(1.0).reason
    world.start()
    assert set_limit(14.0).successful
    world.send(ramp(0.5))
    world.wait_for('moving')
    refused = set_limit(8.0)
    assert not refused.successful and 'only while the arms stand' in refused.reason
    assert set_limit(20.0).successful
