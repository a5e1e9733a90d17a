# SPDX-License-Identifier: Apache-2.0
"""arm_node against the simulated driver over real topics: follows, holds, refuses to start."""

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.arm_node import ArmNode
from cosmos_policy_ros.nodes.interfaces import (
    ArmStatusMsg, JointGroupCommand, JointSingleCommand, OperatingModes, PolicyStatusMsg,
    TorqueEnable)
from cosmos_policy_ros.nodes.simulated_aloha_node import SimulatedAlohaNode
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

PERIOD_NS = 40_000_000
ARMS = ('follower_left', 'follower_right')


class World:
    """The simulated robot without cameras, the arm node, and all that is commanded."""

    def __init__(self, ros, *, robot=True, robot_parameters=None, **parameters):
        self.ros = ros
        self.node = ros.node()
        self.robot = ros.add(SimulatedAlohaNode(**ros.parameters(
            render=False, **(robot_parameters or {})))) if robot else None
        values = {'autostart': 'active', 'max_joint_age_s': 0.3, 'driver_timeout_s': 3.0,
                  **parameters}
        self.arms = ros.add(ArmNode(**ros.parameters(**values)))
        self.statuses = ros.collect(self.node, ArmStatusMsg, '/arm_node/status', qos.STATUS)
        self.groups = {arm: ros.collect(
            self.node, JointGroupCommand, f'/{arm}/commands/joint_group') for arm in ARMS}
        self.grippers = {arm: ros.collect(
            self.node, JointSingleCommand, f'/{arm}/commands/joint_single') for arm in ARMS}
        self._chunks = self.node.create_publisher(JointTrajectory, '/joint_trajectory', qos.CHUNK)
        ros.spin_until(self._chunks.get_subscription_count, 'the chunk subscription')

    @property
    def status(self):
        """The newest status."""
        return self.statuses[-1]

    def start(self):
        """Call ~/start once the joints are known and return the answer."""
        if self.robot is not None:
            self.ros.spin_until(lambda: self.statuses and len(self.status.measured) == 14,
                                'joint states')
        return self.ros.call(self.node, Trigger, '/arm_node/start', Trigger.Request())

    def wait_for(self, state, reason=None):
        """Spin until the arms are in a state, for a reason."""
        self.ros.spin_until(
            lambda: self.statuses and self.status.state == state
            and reason in (None, self.status.stop_reason),
            f'{state} {reason}; the last was {self.statuses[-1] if self.statuses else None}')

    def send(self, positions, *, age_s=0.0, robot=ALOHA, spoil=lambda msg: None):
        """Send a chunk whose observation is `age_s` old."""
        stamp_ns = self.node.get_clock().now().nanoseconds - int(age_s * 1e9)
        msg = conversions.trajectory_from_chunk(ActionChunk(
            positions=positions, stamp_ns=stamp_ns, period_ns=PERIOD_NS), robot)
        spoil(msg)
        self._chunks.publish(msg)

    def forget_commands(self):
        """Drop the commands received so far."""
        for received in (*self.groups.values(), *self.grippers.values()):
            received.clear()


@pytest.fixture
def world(ros):
    """A world with default parameters."""
    return World(ros)


def ramp(offset_rad, *, steps=50, joint=0):
    """Return a chunk from the start pose that turns one joint by an offset."""
    positions = np.tile(ALOHA.start_pose, (steps, 1))
    positions[:, joint] += np.linspace(0.0, offset_rad, steps)
    return positions


def test_nothing_is_commanded_before_start(ros, world):
    world.send(ramp(0.3))
    ros.spin(0.6)
    assert not any(world.groups.values()) and not any(world.grippers.values())
    assert world.status.state == 'inactive' and world.status.chunks_rejected == 1


def test_start_holds_the_measured_pose_until_a_chunk_comes(ros, world):
    assert world.start().success
    ros.spin_until(lambda: len(world.groups['follower_left']) > 10, 'commands')
    for command in world.groups['follower_left']:
        np.testing.assert_allclose(command.cmd, ALOHA.arms[0].start_rad, atol=0.03)
    assert world.status.state == 'waiting'


def test_holding_does_not_creep_at_the_grippers(ros, world):
    world.start()
    ros.spin(0.5)
    before = world.status.measured[6], world.status.measured[13]
    ros.spin(1.0)
    assert (world.status.measured[6], world.status.measured[13]) == pytest.approx(before, abs=0.03)


def test_a_chunk_moves_the_arm_and_when_it_ends_the_measured_pose_is_held(ros, world):
    world.start()
    world.send(ramp(0.4))
    world.wait_for('moving')
    world.wait_for('waiting', 'chunk_missing')
    ros.spin(0.5)
    measured = world.status.measured
    assert measured[0] == pytest.approx(0.4, abs=0.05)
    held = world.groups['follower_left'][-1].cmd
    assert held[0] == pytest.approx(measured[0], abs=0.05)
    np.testing.assert_allclose(measured[7:13], ALOHA.arms[1].start_rad, atol=0.03)


def test_both_arms_are_commanded_at_the_control_rate_and_equally_often(ros, world):
    world.start()
    ros.spin(0.3)
    world.forget_commands()
    ros.spin(1.0)
    counts = [len(received) for received in (*world.groups.values(), *world.grippers.values())]
    assert 35 <= min(counts) and max(counts) <= 65 and max(counts) - min(counts) <= 1


def test_a_first_action_far_away_is_refused(ros, world):
    world.start()
    far = ramp(0.0)
    far[:, 0] = 2.5
    world.send(far)
    world.wait_for('holding', 'start_gap')
    assert 'left_waist' in world.status.detail and abs(world.status.measured[0]) < 0.02


def test_speed_and_position_limits_hold_whatever_the_chunk_asks(ros, world):
    world.start()
    wild = ramp(0.0)
    wild[5:, 0] += 0.9
    wild[5:, 1] = -9.0
    world.forget_commands()
    world.send(wild)
    world.wait_for('moving')
    ros.spin(1.5)
    joints = np.array([command.cmd for command in world.groups['follower_left']])
    assert np.abs(np.diff(joints, axis=0)).max() <= 0.5 * np.pi * 0.03 + 1e-6
    assert joints[:, 1].min() >= ALOHA.arms[0].lower_rad[1] + 0.02 - 1e-6
    assert world.status.velocity_clamps > 0 and world.status.position_clamps > 0


def test_grippers_are_commanded_as_motor_angles(ros, world):
    world.start()
    opened = ramp(0.0)
    opened[:, 6] = 1.0
    world.send(opened)
    angle = ALOHA.arms[0].gripper.joint_open_rad
    ros.spin_until(lambda: world.grippers['follower_left']
                   and world.grippers['follower_left'][-1].cmd == pytest.approx(angle, abs=1e-3),
                   'the opening command')
    assert world.grippers['follower_left'][-1].name == 'gripper'


def test_moving_arms_skip_late_actions_and_nobody_obeys_a_stale_observation(ros, world):
    world.start()
    world.send(ramp(0.1))
    world.wait_for('moving')
    ros.spin(0.7)
    world.send(ramp(0.1), age_s=0.5)
    ros.spin_until(lambda: world.status.late_actions_skipped >= 12, 'the skip')
    rejected = world.status.chunks_rejected
    world.send(ramp(0.1), age_s=11.0)
    ros.spin_until(lambda: world.status.chunks_rejected > rejected, 'the refusal')


@pytest.mark.parametrize('spoil', [
    lambda msg: msg.joint_names.__setitem__(0, 'left_tail'),
    lambda msg: msg.points[3].positions.__setitem__(2, float('nan')),
    lambda msg: msg.points[3].positions.pop(),
])
def test_a_chunk_that_is_none_moves_nothing(ros, world, spoil):
    world.start()
    world.send(ramp(0.4), spoil=spoil)
    ros.spin(0.7)
    assert world.status.state == 'waiting'
    assert abs(world.status.measured[0]) < 0.02


def test_stop_holds_where_the_arm_is_and_only_start_leads_on(ros, world):
    world.start()
    world.send(ramp(0.8))
    world.wait_for('moving')
    ros.spin(0.6)
    ros.call(world.node, Trigger, '/arm_node/stop', Trigger.Request())
    world.wait_for('holding', 'requested')
    ros.spin(0.3)
    held = world.status.measured[0]
    assert 0.05 < held < 0.7
    world.send(ramp(0.8))
    ros.spin(0.5)
    assert world.status.state == 'holding'
    assert world.status.measured[0] == pytest.approx(held, abs=0.02)
    assert world.start().success


def test_joint_states_that_stop_coming_hold_the_arms(ros, world):
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    world.robot._should_stop.set()
    world.wait_for('holding', 'joint_states_stale')
    assert 'follower_left' in world.status.detail


@pytest.mark.parametrize('kind', ['minus_pi', 'nan'])
def test_failed_bus_reads_hold_the_arms(ros, world, kind):
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    with world.robot._simulation.driver('follower_right') as driver:
        driver.read_failure = kind
    world.wait_for('holding', 'joint_states_implausible')
    assert 'follower_right' in world.status.detail
    for command in world.groups['follower_right']:
        np.testing.assert_allclose(command.cmd, ALOHA.arms[1].start_rad, atol=0.05)


def test_a_second_commander_is_refused_before_the_start(ros, world):
    intruder = world.node.create_publisher(
        JointGroupCommand, '/follower_right/commands/joint_group', 10)
    ros.spin_until(lambda: world.arms.count_publishers(intruder.topic_name) == 2, 'the intruder')
    answer = world.start()
    assert not answer.success and 'other publishers' in answer.message
    assert 'follower_right' in answer.message


def test_a_second_commander_that_appears_later_holds_the_arms(ros, world):
    world.start()
    world.node.create_publisher(JointSingleCommand, '/follower_left/commands/joint_single', 10)
    world.wait_for('holding', 'foreign_commander')


def test_a_wrong_mode_is_refused_with_the_allowed_one(ros, world):
    ros.call(world.node, OperatingModes, '/follower_left/set_operating_modes',
             OperatingModes.Request(cmd_type='group', name='arm', mode='velocity',
                                    profile_type='velocity'))
    answer = world.start()
    assert not answer.success
    assert "'velocity'" in answer.message and 'position' in answer.message


def test_torque_that_is_off_is_refused_naming_the_joints(ros, world):
    ros.call(world.node, TorqueEnable, '/follower_left/torque_enable',
             TorqueEnable.Request(cmd_type='single', name='elbow', enable=False))
    answer = world.start()
    assert not answer.success and 'elbow' in answer.message and 'torque' in answer.message


def test_an_unprepared_gripper_mode_is_refused_when_preparing_is_off(ros):
    world = World(ros, prepare_driver=False)
    answer = world.start()
    assert not answer.success and 'linear_position' in answer.message


def test_an_absent_driver_is_refused_in_time(ros):
    world = World(ros, robot=False, driver_timeout_s=0.5)
    answer = world.start()
    assert not answer.success and 'get_robot_info' in answer.message


def test_a_dry_run_publishes_what_would_be_sent_and_moves_nothing(ros):
    world = World(ros, dry_run=True)
    ghosts = ros.collect(world.node, JointState, '/arm_node/dry_run/joint_states')
    assert world.start().success
    world.send(ramp(0.4))
    world.wait_for('moving')
    ros.spin_until(lambda: ghosts and ghosts[-1].position[0] > 0.2, 'the ghost to move')
    assert not any(world.groups.values()) and abs(world.status.measured[0]) < 0.02
    assert list(ghosts[-1].name) == list(ALOHA.joint_names)
    with world.robot._simulation.driver('follower_left') as driver:
        assert driver.robot_info('single', 'gripper').mode == 'linear_position'


def test_deactivation_holds_first_and_then_falls_silent(ros, world):
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    world.arms.trigger_deactivate()
    ros.spin(0.3)
    world.forget_commands()
    ros.spin(0.4)
    assert not any(world.groups.values())
    world.wait_for('inactive', 'deactivated')
    answer = ros.call(world.node, Trigger, '/arm_node/start', Trigger.Request())
    assert not answer.success and 'not active' in answer.message


def test_an_emergency_stop_holds_and_must_be_released_before_a_start(ros, world):
    button = world.node.create_publisher(Bool, '/emergency_stop', qos.CHUNK)
    ros.spin_until(button.get_subscription_count, 'the subscription')
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    button.publish(Bool(data=True))
    world.wait_for('holding', 'emergency_stop')
    answer = world.start()
    assert not answer.success and 'emergency stop' in answer.message
    button.publish(Bool(data=False))
    ros.spin(0.2)
    assert world.status.state == 'holding'
    assert ros.call(world.node, Trigger, '/arm_node/resume', Trigger.Request()).success


def test_torque_that_somebody_switches_off_holds_the_arms(ros):
    world = World(ros, driver_poll_period_s=0.2)
    world.start()
    ros.call(world.node, TorqueEnable, '/follower_right/torque_enable',
             TorqueEnable.Request(cmd_type='single', name='waist', enable=False))
    world.wait_for('holding', 'torque_off')
    assert 'follower_right' in world.status.detail and 'waist' in world.status.detail


def test_a_mode_changed_behind_our_back_holds_the_arms(ros):
    world = World(ros, driver_poll_period_s=0.2)
    world.start()
    ros.call(world.node, OperatingModes, '/follower_left/set_operating_modes',
             OperatingModes.Request(cmd_type='single', name='gripper', mode='pwm',
                                    profile_type='velocity'))
    world.wait_for('holding', 'driver_mode')
    assert 'pwm' in world.status.detail


def test_a_motor_in_error_holds_the_arms_naming_it(ros):
    world = World(ros, driver_poll_period_s=0.2)
    world.start()
    with world.robot._simulation.driver('follower_left') as driver:
        driver.fail_motor('elbow')
    world.wait_for('holding', 'motor_error')
    assert 'elbow' in world.status.detail and 'overload' in world.status.detail


def test_a_policy_node_that_falls_silent_holds_the_arms(ros):
    world = World(ros, policy_timeout_s=0.5)
    policy = world.node.create_publisher(PolicyStatusMsg, '/policy_status', qos.STATUS)
    ros.spin_until(policy.get_subscription_count, 'the subscription')
    world.start()
    policy.publish(PolicyStatusMsg())
    world.wait_for('holding', 'policy_dead')


def test_cameras_that_the_policy_calls_stale_hold_the_arms_until_they_are_fresh_again(ros, world):
    policy = world.node.create_publisher(PolicyStatusMsg, '/policy_status', qos.STATUS)
    ros.spin_until(policy.get_subscription_count, 'the subscription')
    world.start()
    world.send(ramp(0.5))
    world.wait_for('moving')
    policy.publish(PolicyStatusMsg(state='running', image_problem='cam_high: 0.4 s old'))
    world.wait_for('holding', 'images_stale')
    assert world.status.detail == 'cam_high: 0.4 s old'
    answer = world.start()
    assert not answer.success and 'cam_high: 0.4 s old' in answer.message
    policy.publish(PolicyStatusMsg(state='running'))
    ros.spin(0.3)
    assert world.status.state == 'holding' and world.start().success


def test_stale_cameras_do_not_keep_the_arms_from_going_home(ros):
    world = World(ros, pose_speed_rad_s=2.0)
    policy = world.node.create_publisher(PolicyStatusMsg, '/policy_status', qos.STATUS)
    ros.spin_until(policy.get_subscription_count, 'the subscription')
    world.start()
    policy.publish(PolicyStatusMsg(state='running', image_problem='cam_high: frozen'))
    world.wait_for('holding', 'images_stale')
    assert ros.call(world.node, Trigger, '/arm_node/go_home', Trigger.Request()).success
    policy.publish(PolicyStatusMsg(state='running', image_problem='cam_high: frozen'))
    world.wait_for('holding', 'arrived')


def test_go_home_and_sleep_are_slow_motions_that_end_in_a_hold(ros):
    world = World(ros, pose_speed_rad_s=2.0)
    world.start()
    answer = ros.call(world.node, Trigger, '/arm_node/sleep', Trigger.Request())
    assert answer.success, answer.message
    world.wait_for('positioning')
    world.wait_for('holding', 'arrived')
    np.testing.assert_allclose(world.status.measured[:6], ALOHA.arms[0].sleep_rad, atol=0.06)
    assert ros.call(world.node, Trigger, '/arm_node/go_home', Trigger.Request()).success
    world.wait_for('positioning')
    ros.call(world.node, Trigger, '/arm_node/stop', Trigger.Request())
    world.wait_for('holding', 'requested')


def test_the_strategy_changes_while_the_arms_move(ros, world):
    from rclpy.parameter import Parameter
    world.start()
    world.send(ramp(0.3))
    world.wait_for('moving')
    assert world.arms.set_parameters([Parameter('strategy', value='blocking')])[0].successful
    ros.spin_until(lambda: world.status.strategy == 'blocking', 'the new strategy')
    result = world.arms.set_parameters([Parameter('strategy', value='teleport')])[0]
    assert not result.successful and 'async_blend' in result.reason


def test_automatic_start_waits_for_the_driver(ros):
    world = World(ros, start_on_activate=True)
    world.wait_for('waiting')
    world.send(ramp(0.2))
    world.wait_for('moving')


def test_settings_of_the_controller_change_only_while_unconfigured(ros, world):
    from rclpy.parameter import Parameter
    change = [Parameter('velocity_scale', value=0.9)]
    result = world.arms.set_parameters(change)[0]
    assert not result.successful and 'unconfigured' in result.reason
    world.arms.trigger_deactivate()
    world.arms.trigger_cleanup()
    assert world.arms.set_parameters(change)[0].successful
