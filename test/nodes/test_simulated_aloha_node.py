# SPDX-License-Identifier: Apache-2.0
"""simulated_aloha_node: what vendor scripts expect of the driver and the cameras."""

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.image_conversions import rgb_from_compressed, rgb_from_image
from cosmos_policy_ros.nodes.interfaces import (
    JointGroupCommand, JointSingleCommand, JointTrajectoryCommand, MotorGains, OperatingModes,
    Reboot, RegisterValues, ResetSimulation, RobotInfo, SimulationStatusMsg, TorqueEnable)
from cosmos_policy_ros.nodes.simulated_aloha_node import SimulatedAlohaNode
from cosmos_policy_ros.spec.aloha import ALOHA

ARMS = ('follower_left', 'follower_right')


class World:
    """The node, and a client that listens."""

    def __init__(self, ros, **parameters):
        self.ros, self.node = ros, ros.node()
        self.sim = ros.add(SimulatedAlohaNode(**ros.parameters(
            **{'render': False, **parameters})))
        self.states = {arm: ros.collect(self.node, JointState, f'/{arm}/joint_states')
                       for arm in ARMS}
        ros.spin_until(lambda: all(self.states.values()), 'joint states')

    def call(self, kind, service, **request):
        """Call a service of the left arm."""
        return self.ros.call(self.node, kind, f'/follower_left/{service}', kind.Request(**request))

    def publisher(self, kind, topic):
        """Make a publisher that the simulated driver hears."""
        publisher = self.node.create_publisher(kind, f'/follower_left/commands/{topic}', 10)
        self.ros.spin_until(publisher.get_subscription_count, f'subscription of {topic}')
        return publisher

    def waist(self):
        """Newest measured waist angle of the left arm."""
        return self.states['follower_left'][-1].position[0]


@pytest.fixture
def world(ros):
    """The node without cameras."""
    return World(ros)


def test_joint_states_have_nine_joints_in_the_vendor_order_at_100_hz(ros, world):
    world.states['follower_left'].clear()
    ros.spin(1.0)
    states = world.states['follower_left']
    assert 70 <= len(states) <= 110
    state = states[-1]
    assert list(state.name) == ['waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle',
                                'wrist_rotate', 'gripper', 'left_finger', 'right_finger']
    assert len(state.position) == len(state.velocity) == len(state.effort) == 9
    assert state.header.frame_id == '' and list(state.velocity[7:]) == [0.0, 0.0]
    assert state.position[8] == -state.position[7]
    finger = ALOHA.arms[0].geometry.finger_from_angle(state.position[6])
    assert state.position[7] == pytest.approx(finger)
    age_s = (world.node.get_clock().now().nanoseconds
             - conversions.stamp_to_ns(state.header.stamp)) / 1e9
    assert 0 <= age_s < 0.5


def test_every_arm_offers_the_three_topics_and_seven_services(world):
    services = dict(world.node.get_service_names_and_types())
    for arm in ARMS:
        for topic in ('joint_group', 'joint_single', 'joint_trajectory'):
            assert world.node.count_subscribers(f'/{arm}/commands/{topic}') == 1
        for service in ('torque_enable', 'reboot_motors', 'get_robot_info', 'set_operating_modes',
                        'set_motor_pid_gains', 'set_motor_registers', 'get_motor_registers'):
            assert f'/{arm}/{service}' in services


def test_robot_info_tells_ids_limits_and_state_indices(world):
    info = world.call(RobotInfo, 'get_robot_info', cmd_type='group', name='arm')
    assert (info.mode, info.num_joints) == ('position', 6)
    assert list(info.joint_ids) == [1, 2, 4, 6, 7, 8]
    np.testing.assert_allclose(info.joint_upper_limits, ALOHA.arms[0].upper_rad, atol=1e-4)
    gripper = world.call(RobotInfo, 'get_robot_info', cmd_type='single', name='gripper')
    assert gripper.mode == 'linear_position' and list(gripper.joint_state_indices) == [7]


def test_an_invalid_request_gets_an_empty_answer(world):
    info = world.call(RobotInfo, 'get_robot_info', cmd_type='group', name='legs')
    assert info.num_joints == 0 and not info.joint_names


def test_a_group_command_moves_the_arm_and_a_wrong_one_does_not(ros, world):
    group = world.publisher(JointGroupCommand, 'joint_group')
    goal = [0.3, *ALOHA.arms[0].start_rad[1:]]
    group.publish(JointGroupCommand(name='arm', cmd=goal[:5]))
    group.publish(JointGroupCommand(name='legs', cmd=goal))
    ros.spin(0.4)
    assert abs(world.waist()) < 0.02
    group.publish(JointGroupCommand(name='arm', cmd=goal))
    ros.spin_until(lambda: abs(world.waist() - 0.3) < 0.03, 'the waist at 0.3 rad')


def test_a_goal_beyond_the_motor_limits_is_refused_not_clamped(ros, world):
    group = world.publisher(JointGroupCommand, 'joint_group')
    group.publish(JointGroupCommand(name='arm', cmd=[0.2, 2.5, *ALOHA.arms[0].start_rad[2:]]))
    ros.spin_until(lambda: abs(world.waist() - 0.2) < 0.03, 'the waist, which is within limits')
    shoulder = world.states['follower_left'][-1].position[1]
    assert shoulder == pytest.approx(ALOHA.arms[0].start_rad[1], abs=0.03)


def test_the_gripper_opens_in_the_mode_that_vendor_scripts_use(ros, world):
    world.call(OperatingModes, 'set_operating_modes', cmd_type='single', name='gripper',
               mode='current_based_position', profile_type='velocity')
    single = world.publisher(JointSingleCommand, 'joint_single')
    angle = ALOHA.arms[0].gripper.joint_open_rad
    single.publish(JointSingleCommand(name='gripper', cmd=angle))
    ros.spin_until(lambda: abs(world.states['follower_left'][-1].position[6] - angle) < 0.1,
                   'the open gripper')


def trajectory(*targets):
    """Return a trajectory of the waist from (time in s, angle) pairs."""
    points = [JointTrajectoryPoint(
        positions=[angle, *ALOHA.arms[0].start_rad[1:]],
        time_from_start=conversions.duration_from_ns(int(time_s * 1e9)))
        for time_s, angle in targets]
    return JointTrajectoryCommand(cmd_type='group', name='arm',
                                  traj=JointTrajectory(points=points))


def test_a_trajectory_is_played_and_a_second_one_rejected_while_busy(ros, world):
    publisher = world.publisher(JointTrajectoryCommand, 'joint_trajectory')
    publisher.publish(trajectory((0.0, 0.0), (0.4, 0.1), (0.8, 0.2)))
    ros.spin(0.1)
    publisher.publish(trajectory((0.0, 0.0), (0.1, -0.5), (0.2, -0.5)))
    ros.spin_until(lambda: abs(world.waist() - 0.2) < 0.02, 'the end of the first trajectory')
    assert world.waist() > 0


def test_a_trajectory_across_a_whole_second_stalls_as_the_real_driver_does(ros, world):
    publisher = world.publisher(JointTrajectoryCommand, 'joint_trajectory')
    publisher.publish(trajectory((0.9, 0.0), (0.95, 0.1), (1.0, 0.2), (1.05, 0.3)))
    ros.spin(1.5)
    assert world.waist() < 0.25, 'the point after the whole second came without the stall'


def test_torque_off_ignores_commands(ros, world):
    world.call(TorqueEnable, 'torque_enable', cmd_type='group', name='arm', enable=False)
    group = world.publisher(JointGroupCommand, 'joint_group')
    group.publish(JointGroupCommand(name='arm', cmd=[1.0, *ALOHA.arms[0].start_rad[1:]]))
    ros.spin(0.6)
    assert abs(world.waist()) < 0.3


def test_registers_and_gains_are_written_and_read_by_exact_name(world):
    def read(name):
        return list(world.call(RegisterValues, 'get_motor_registers', cmd_type='group',
                               name='arm', reg=name).values)
    world.call(MotorGains, 'set_motor_pid_gains', cmd_type='group', name='arm', kp_pos=321)
    assert read('Position_P_Gain') == [321] * 6
    world.call(RegisterValues, 'set_motor_registers', cmd_type='single', name='waist',
               reg='Profile_Velocity', value=77)
    assert read('Profile_Velocity')[0] == 77
    assert read('profile_velocity') == []


def test_a_reboot_takes_about_a_second_and_clears_the_ram(ros, world):
    world.call(RegisterValues, 'set_motor_registers', cmd_type='single', name='gripper',
               reg='Profile_Velocity', value=77)
    start_ns = world.node.get_clock().now().nanoseconds
    world.call(Reboot, 'reboot_motors', cmd_type='single', name='gripper', enable=True)
    assert 0.9 <= (world.node.get_clock().now().nanoseconds - start_ns) / 1e9 < 4.0
    values = world.call(RegisterValues, 'get_motor_registers', cmd_type='single', name='gripper',
                        reg='Profile_Velocity').values
    assert list(values) == [0]


def test_reset_puts_the_arms_back_and_refuses_a_negative_seed(ros, world):
    group = world.publisher(JointGroupCommand, 'joint_group')
    group.publish(JointGroupCommand(name='arm', cmd=[0.4, *ALOHA.arms[0].start_rad[1:]]))
    ros.spin_until(lambda: world.waist() > 0.3, 'motion')
    answer = ros.call(world.node, ResetSimulation, '/simulated_aloha_node/reset',
                      ResetSimulation.Request(seed=4))
    assert answer.success
    ros.spin_until(lambda: abs(world.waist()) < 0.02, 'the start pose')
    answer = ros.call(world.node, ResetSimulation, '/simulated_aloha_node/reset',
                      ResetSimulation.Request(seed=-1))
    assert not answer.success and '-1' in answer.message


def test_images_are_rgb8_640x480_with_acquisition_stamps_and_camera_info(ros):
    world = World(ros, render=True, cameras=('cam_high',), image_rate_hz=10.0,
                  publish_compressed=True)
    images = ros.collect(world.node, Image, '/cam_high/image', qos.CAMERA)
    infos = ros.collect(world.node, CameraInfo, '/cam_high/camera_info', qos.CAMERA)
    jpegs = ros.collect(world.node, CompressedImage, '/cam_high/image/compressed', qos.CAMERA)
    ros.spin_until(lambda: len(images) > 3 and infos and jpegs, 'images', timeout_s=30.0)
    image = images[-1]
    assert (image.width, image.height, image.step, image.encoding) == (640, 480, 1920, 'rgb8')
    assert image.header.frame_id == 'cam_high_color_optical_frame'
    stamps_ns = [conversions.stamp_to_ns(image.header.stamp) for image in images]
    assert (np.diff(stamps_ns) > 0).all()
    assert infos[-1].k[0] > 0 and (infos[-1].width, infos[-1].height) == (640, 480)
    pixels = rgb_from_image(image)
    red = (pixels[..., 0] > 150) & (pixels[..., 1:].max(axis=-1) < 60)
    assert red.sum() > 50, 'the red cube is not in the overhead image'
    assert not np.array_equal(pixels, rgb_from_image(images[-2])), 'no sensor noise'
    jpeg = rgb_from_compressed(jpegs[-1])
    assert jpeg.shape == (480, 640, 3)


def test_status_tells_achieved_rates(ros, world):
    statuses = ros.collect(world.node, SimulationStatusMsg, '/simulated_aloha_node/status',
                           qos.STATUS)
    ros.spin_until(lambda: statuses, 'a status')
    assert statuses[-1].joint_state_rate_hz > 50 and statuses[-1].image_rate_hz == 0
    assert not statuses[-1].success and statuses[-1].task == 'transfer the cube'
