# SPDX-License-Identifier: Apache-2.0
"""Every way to command the arms, over real topics: they follow, hold, and refuse what is wrong."""

import numpy as np
import pytest
from std_srvs.srv import Trigger
from test_arm_node import ARMS, ramp, World
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.arm_node import ArmNode
from cosmos_policy_ros.nodes.conversions import stamp_to_ns
from cosmos_policy_ros.nodes.interfaces import JointTrajectoryCommand, RegisterValues
from cosmos_policy_ros.spec.aloha import ALOHA

CONTROLLERS = [f'/{arm}/{part}_controller/joint_trajectory'
               for arm in ARMS for part in ('arm', 'gripper')]


def controlled(ros, **parameters):
    """Return a world whose arms hear trajectory controllers only."""
    return World(ros, robot_parameters={'trajectory_controller': True},
                 output='trajectory_controller', **parameters)


def follow_and_stop(ros, world):
    """Let the arms follow a chunk, stop them in the middle, and return where they are held."""
    chunk = ramp(0.6, steps=60)
    chunk[:, 13] = 1.0
    world.send(chunk)
    world.wait_for('moving')
    ros.spin_until(lambda: world.status.measured[0] > 0.15, 'motion')
    ros.call(world.node, Trigger, '/arm_node/stop', Trigger.Request())
    world.wait_for('holding', 'requested')
    ros.spin(0.4)
    held = np.array(world.status.measured)
    ros.spin(0.4)
    np.testing.assert_allclose(world.status.measured, held, atol=0.03)
    return held


@pytest.mark.parametrize('window', [1, 5])
def test_trajectories_for_the_driver_move_the_arms_and_stop_with_them(ros, window):
    world = World(ros, output='joint_trajectory', trajectory_window=window)
    sent = {arm: ros.collect(world.node, JointTrajectoryCommand,
                             f'/{arm}/commands/joint_trajectory') for arm in ARMS}
    assert world.start().success
    held = follow_and_stop(ros, world)
    assert 0.1 < held[0] < 0.6 and held[13] > 0.5
    assert not any(world.groups.values())
    assert len(sent['follower_left']) > 5
    assert {len(msg.traj.points) for msg in sent['follower_left']} == {window + 1}
    stamps = [{stamp_to_ns(msg.traj.header.stamp) for msg in sent[arm]} for arm in ARMS]
    assert len(stamps[0] & stamps[1]) > 5 and len(stamps[0] ^ stamps[1]) <= 2, 'both or neither'


def test_a_controller_plays_what_replaces_its_trajectory_and_holds_when_told(ros):
    world = controlled(ros)
    sent = [ros.collect(world.node, JointTrajectory, topic) for topic in CONTROLLERS]
    answer = world.start()
    assert answer.success, answer.message
    held = follow_and_stop(ros, world)
    assert 0.1 < held[0] < 0.6 and held[13] > 0.5
    assert not any(world.groups.values()) and all(sent)
    stamps = [{stamp_to_ns(msg.header.stamp) for msg in received[:20]} for received in sent]
    assert len(set.intersection(*stamps)) >= 10, 'all trajectories of a tick have one stamp'


def test_absent_controllers_are_refused_by_topic(ros):
    world = World(ros, output='trajectory_controller')
    answer = world.start()
    assert not answer.success
    assert all(topic in answer.message for topic in CONTROLLERS)


def test_a_second_commander_of_a_controller_is_refused_and_stops_the_arms(ros):
    world = controlled(ros)
    assert world.start().success
    world.node.create_publisher(JointTrajectory, CONTROLLERS[2], qos.DRIVER)
    world.wait_for('holding', 'foreign_commander')
    answer = world.start()
    assert not answer.success and CONTROLLERS[2] in answer.message


def test_windows_that_cannot_be_made_safe_keep_the_node_from_coming_up(ros):
    with pytest.raises(ConfigurationError, match='cannot become active'):
        ArmNode(**ros.parameters(
            autostart='active', output='joint_trajectory', control_rate_hz=100.0))


def test_profiles_and_gains_that_a_slow_script_left_are_set_or_refused(ros):
    world = World(ros, prepare_driver=False)
    for name, value in (('Profile_Velocity', 30), ('Position_P_Gain', 100)):
        ros.call(world.node, RegisterValues, '/follower_right/set_motor_registers',
                 RegisterValues.Request(cmd_type='group', name='arm', reg=name, value=value))
    with world.robot._simulation.driver('follower_left') as driver:
        driver.set_motor_registers('single', 'gripper', 'Profile_Velocity', 20)
    answer = world.start()
    assert not answer.success
    for text in ('follower_right: Profile_Velocity of waist is 30; it must be 0',
                 'Position_P_Gain of elbow is 100; it must be 800',
                 'follower_left: Profile_Velocity of gripper is 20'):
        assert text in answer.message
    from rclpy.parameter import Parameter
    prepare = [Parameter('prepare_driver', value=True)]
    assert not world.arms.set_parameters(prepare)[0].successful
    world.arms.trigger_deactivate()
    world.arms.trigger_cleanup()
    assert world.arms.set_parameters(prepare)[0].successful
    world.arms.trigger_configure()
    world.arms.trigger_activate()
    assert world.start().success
    with world.robot._simulation.driver('follower_right') as driver:
        assert driver.get_motor_registers('group', 'arm', 'Position_P_Gain') == (800,) * 6
        assert driver.get_motor_registers('group', 'arm', 'Profile_Velocity') == (0,) * 6


def test_parking_ends_at_rest_with_open_grippers(ros):
    world = World(ros, pose_speed_rad_s=2.0, park_on_shutdown=True)
    assert world.start().success
    parked = ros.executor.create_task(world.arms.park)
    ros.spin_until(parked.done, 'parking', timeout_s=40.0)
    world.wait_for('holding', 'arrived')
    np.testing.assert_allclose(world.status.measured[7:13], ALOHA.arms[1].sleep_rad, atol=0.06)
    assert min(world.status.measured[6], world.status.measured[13]) > 0.5
