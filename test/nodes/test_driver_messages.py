# SPDX-License-Identifier: Apache-2.0
"""Joint commands as the messages of the driver and of trajectory controllers."""

import numpy as np
import pytest

from cosmos_policy_ros.nodes import driver_messages
from cosmos_policy_ros.nodes.conversions import duration_to_ns, stamp_to_ns
from cosmos_policy_ros.simulation.xs_trajectory import TrajectoryPlayer, TrajectoryPoint
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0, ALOHA_V1

MS = 1_000_000
JOINTS = ALOHA.num_joints


def command(stamp_ms: int = 0, opening: float = 0.0) -> JointCommand:
    """Make a command whose joints tell their index and time."""
    positions = np.arange(JOINTS) / 100 + stamp_ms / 1e6
    positions[[6, 13]] = opening
    return JointCommand(positions=positions, stamp_ns=stamp_ms * MS)


@pytest.mark.parametrize('robot', [ALOHA, ALOHA_V1, ALOHA_2_0])
def test_commands_split_by_arm_and_turn_openings_into_motor_angles(robot):
    positions = np.linspace(-1, 1, JOINTS)
    positions[[6, 13]] = 0.0, 1.0
    both = JointCommand(positions=positions, stamp_ns=0)
    first, second = driver_messages.group_commands(both, robot)
    np.testing.assert_allclose(first.cmd, positions[:6], rtol=1e-6)
    np.testing.assert_allclose(second.cmd, positions[7:13], rtol=1e-6)
    closed, opened = driver_messages.gripper_commands(both, robot)
    gripper = robot.arms[0].gripper
    assert closed.cmd == pytest.approx(gripper.joint_closed_rad)
    assert opened.cmd == pytest.approx(gripper.joint_open_rad)
    assert (first.name, closed.name) == ('arm', 'gripper')


@pytest.mark.parametrize('start_ms', [0, 940, 980, 12_345_990])
def test_the_faithful_driver_plays_our_trajectories_on_time_across_whole_seconds(start_ms):
    window = [command(start_ms + 20 * index) for index in range(5)]
    left, right = driver_messages.driver_trajectories(window, ALOHA)
    assert (left.cmd_type, left.name, len(left.traj.points)) == ('group', 'arm', 6)
    for msg, part in ((left, slice(0, 6)), (right, slice(7, 13))):
        player = TrajectoryPlayer(msg.cmd_type, msg.name, [TrajectoryPoint(
            positions=list(point.positions), sec=point.time_from_start.sec,
            nanosec=point.time_from_start.nanosec) for point in msg.traj.points],
            start_ns=0, timing='faithful')
        for index in range(5):
            sent, = player.due_points(20 * index * MS)
            np.testing.assert_array_equal(sent.positions, window[index].positions[part])
        assert player.is_over(81 * MS) and not player.is_over(80 * MS)


def test_the_driver_is_not_asked_to_compare_a_start_it_cannot_meet():
    # Each arm that is still moving would be worth a warning per window.
    msg, _ = driver_messages.driver_trajectories([command()], ALOHA)
    assert len(msg.traj.points) == 2 and len(msg.traj.points[0].positions) == 0


def test_controllers_get_trajectories_with_one_stamp_that_begin_where_the_last_one_led():
    arms, grippers = driver_messages.controller_trajectories(
        [command(1000), command(1020)], ALOHA, last=command(980), period_ns=20 * MS)
    messages = [*arms, *grippers]
    assert {stamp_to_ns(msg.header.stamp) for msg in messages} == {1000 * MS}
    for msg in messages:
        assert [duration_to_ns(point.time_from_start) // MS for point in msg.points] == [
            0, 20, 40, 240]
        assert msg.points[-1].positions == msg.points[-2].positions
    np.testing.assert_array_equal(arms[1].points[0].positions, command(980).positions[7:13])
    np.testing.assert_array_equal(arms[1].points[1].positions, command(1000).positions[7:13])


@pytest.mark.parametrize(('elapsed_ms', 'due_ms'), [(5, 20), (20, 20), (26, 26), (90, 30)])
def test_a_target_after_a_late_tick_has_as_long_as_it_was_allowed_to_move(elapsed_ms, due_ms):
    arms, _ = driver_messages.controller_trajectories(
        [command(1000)], ALOHA, last=command(1000 - elapsed_ms), period_ns=20 * MS)
    assert duration_to_ns(arms[0].points[-2].time_from_start) == due_ms * MS


def test_a_trajectory_after_a_stall_does_not_lead_back_to_the_last_command():
    arms, grippers = driver_messages.controller_trajectories(
        [command(1000)], ALOHA, last=command(600), period_ns=20 * MS)
    for msg in (*arms, *grippers):
        assert [duration_to_ns(point.time_from_start) // MS for point in msg.points] == [30, 230]


def test_the_first_trajectory_begins_wherever_the_controller_is():
    arms, _ = driver_messages.controller_trajectories(
        [command()], ALOHA, last=None, period_ns=20 * MS)
    assert duration_to_ns(arms[0].points[0].time_from_start) == 20 * MS


@pytest.mark.parametrize('robot', [ALOHA, ALOHA_V1])
@pytest.mark.parametrize('opening', [0.0, 0.4, 1.0])
def test_a_finger_goes_where_the_motor_would_take_it(robot, opening):
    _, grippers = driver_messages.controller_trajectories(
        [command(opening=opening)], robot, last=None, period_ns=20 * MS)
    arm = robot.arms[0]
    assert list(grippers[0].joint_names) == ['left_finger']
    finger_m = grippers[0].points[0].positions[0]
    assert finger_m == pytest.approx(
        arm.geometry.finger_from_angle(arm.gripper.joint_from_opening(opening)))
    # What the hardware interface makes of it has to be within the gripper's reach.
    assert arm.geometry.finger_from_angle(
        arm.geometry.angle_from_separation(2 * finger_m)) == pytest.approx(finger_m)
