# SPDX-License-Identifier: Apache-2.0
"""The driver node in time: commands, trajectories, reboots, faults."""

import math

from following_arm import ARM, FollowingArm, readings_at
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.xs_info import RobotInfo
from cosmos_policy_ros.simulation.xs_trajectory import TrajectoryPoint

HOME = list(ARM.start_rad)
SECOND = 1_000_000_000


def waist_points(*times_s, angle=0.1):
    return [TrajectoryPoint(positions=[angle * i], sec=int(t), nanosec=round((t % 1) * 1e9))
            for i, t in enumerate(times_s)]


def test_an_arm_at_rest_stays_at_rest(arm):
    track = arm.run(0.5)
    np.testing.assert_allclose(track, np.tile(arm.positions, (len(track), 1)), atol=2e-3)


def test_a_group_command_moves_the_arm_there(arm):
    target = [0.3, -0.5, 0.8, 0.2, 0.1, -0.4]
    arm.driver.command_group(arm.now_ns, 'arm', target)
    np.testing.assert_allclose(arm.run(1.0)[-1, :6], target, atol=2e-3)


@settings(max_examples=25)
@given(commands=st.lists(st.lists(st.floats(-4, 4), min_size=6, max_size=6), max_size=6))
def test_no_stream_of_commands_is_fast_or_leaves_the_limits(commands):
    arm = FollowingArm()
    start = arm.positions[:6]
    track = [start[None]]
    for command in commands:
        arm.driver.command_group(arm.now_ns, 'arm', command)
        track.append(arm.run(0.06)[:, :6])
    track = np.concatenate(track)
    assert np.abs(np.diff(track, axis=0)).max(initial=0) / 0.004 <= math.pi * 1.001
    assert (track >= np.array(ARM.lower_rad) - 2e-3).all()
    assert (track <= np.array(ARM.upper_rad) + 2e-3).all()


def test_the_gripper_obeys_radians_in_current_based_position(arm):
    arm.set_mode('single', 'gripper', 'current_based_position')
    arm.driver.command_single(arm.now_ns, 'gripper', 0.62)
    assert arm.run(1.0)[-1, 6] == pytest.approx(0.62, abs=2e-3)


@pytest.mark.parametrize('name', ['legs', 'waist', ''])
def test_an_unknown_group_is_logged(arm, name):
    arm.driver.command_group(0, name, HOME)
    assert arm.levels() == ['error']
    assert arm.driver.crash_reason is None


def test_an_unknown_group_ends_a_strict_driver():
    arm = FollowingArm(is_strict=True)
    arm.driver.command_group(0, 'legs', HOME)
    assert 'legs' in arm.driver.crash_reason
    assert arm.levels() == ['fatal']


@pytest.mark.parametrize('name', ['left_finger', 'arm', ''])
def test_an_unknown_joint_is_logged_even_by_a_strict_driver(name):
    arm = FollowingArm(is_strict=True)
    arm.driver.command_single(0, name, 0.5)
    assert arm.levels() == ['error']
    assert arm.driver.crash_reason is None


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_never_reach_the_motors(arm, value):
    arm.driver.command_group(0, 'arm', [value] * 6)
    arm.driver.command_single(0, 'gripper', value)
    assert np.isfinite(arm.run(0.1)).all()
    np.testing.assert_allclose(arm.positions[:6], HOME, atol=2e-3)


def test_without_torque_commands_are_ignored_for_good(arm):
    arm.driver.torque_enable('group', 'arm', False)
    assert (arm.driver.step(1, readings_at(arm.positions), 0.004).ceilings_ma[:6] == 0).all()
    arm.driver.command_group(arm.now_ns, 'arm', [0.5] * 6)
    arm.run(0.2)
    arm.driver.torque_enable('group', 'arm', True)
    np.testing.assert_allclose(arm.run(0.5)[-1, :6], HOME, atol=3e-3)


def test_a_profile_slows_the_arm_down(arm):
    arm.set_mode('group', 'arm', 'position', velocity=20, acceleration=10)
    arm.driver.command_group(arm.now_ns, 'arm', [1.0, *HOME[1:]])
    assert np.diff(arm.run(1.0)[:, 0]).max() / 0.004 == pytest.approx(0.48, abs=0.01)


def test_a_reboot_takes_a_second_per_motor_and_clears_ram(arm):
    arm.driver.set_motor_registers('single', 'waist', 'Position_P_Gain', 100)
    arm.driver.reboot_motors(arm.now_ns, 'group', 'arm', enable=True, smart_reboot=False)
    assert arm.driver.busy_until_ns == 6 * SECOND
    arm.run(0.5)
    assert arm.driver.joint_states(arm.now_ns) is None
    assert arm.register('waist', 'Torque_Enable') == 0
    assert arm.register('wrist_rotate', 'Torque_Enable') == 1
    arm.run(5.5)
    assert arm.driver.joint_states(arm.now_ns) is not None
    assert arm.driver.get_motor_registers('group', 'arm', 'Torque_Enable') == (1,) * 6
    assert arm.register('waist', 'Position_P_Gain') == 800


def test_a_reboot_without_enable_leaves_the_motor_limp(arm):
    arm.driver.reboot_motors(arm.now_ns, 'single', 'gripper', enable=False, smart_reboot=False)
    arm.run(1.5)
    assert arm.register('gripper', 'Torque_Enable') == 0


def test_a_smart_reboot_of_a_healthy_group_does_nothing(arm):
    arm.driver.reboot_motors(arm.now_ns, 'group', 'arm', enable=True, smart_reboot=True)
    assert not arm.driver.is_busy(arm.now_ns)


def test_commands_wait_while_the_driver_is_busy_and_the_newest_ten_survive(arm):
    arm.driver.reboot_motors(arm.now_ns, 'single', 'gripper', enable=True, smart_reboot=False)
    for i in range(15):
        arm.driver.command_group(arm.now_ns, 'arm', [0.01 * i, *HOME[1:-1], 0.5 if i < 5 else 0])
    arm.run(0.9)
    assert arm.positions[0] == pytest.approx(0, abs=2e-3)
    track = arm.run(0.6)
    assert track[-1, 0] == pytest.approx(0.14, abs=2e-3)
    assert np.abs(track[:, 5]).max() < 2e-3


def test_a_command_right_at_the_end_of_a_reboot_is_not_lost(arm):
    arm.set_mode('single', 'gripper', 'current_based_position')
    arm.driver.reboot_motors(arm.now_ns, 'single', 'gripper', enable=True, smart_reboot=False)
    end_ns = arm.driver.busy_until_ns
    arm.run(0.998)
    arm.driver.command_single(end_ns, 'gripper', 1.4)
    assert arm.run(1.0)[-1, 6] == pytest.approx(1.4, abs=2e-3)


def test_a_mode_change_silences_the_joint_states_for_a_moment(arm):
    arm.driver.set_operating_modes(
        arm.now_ns, 'group', 'arm', mode='position', profile_type='velocity',
        profile_velocity=0, profile_acceleration=0)
    assert arm.driver.joint_states(arm.now_ns) is None
    arm.run(0.2)
    assert arm.driver.joint_states(arm.now_ns) is not None


def test_bad_requests_get_empty_answers(arm):
    driver = arm.driver
    assert driver.robot_info('group', 'legs') == RobotInfo()
    assert driver.robot_info('both', 'arm') == RobotInfo()
    assert driver.get_motor_registers('single', 'thumb', 'ID') == ()
    driver.torque_enable('group', 'legs', False)
    driver.set_motor_registers('single', 'thumb', 'LED', 1)
    driver.set_motor_pid_gains('group', 'legs', (0,) * 7)
    driver.reboot_motors(0, 'group', 'legs', enable=True, smart_reboot=False)
    driver.set_operating_modes(0, 'group', 'legs', mode='position', profile_type='velocity',
                               profile_velocity=0, profile_acceleration=0)
    assert arm.levels() == ['error'] * 8
    assert not driver.is_busy(0)


def test_a_trajectory_is_sent_point_by_point(arm):
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.3, 0.6))
    assert arm.run(0.28)[-1, 0] == pytest.approx(0.1, abs=2e-3)
    assert arm.run(0.2)[-1, 0] == pytest.approx(0.2, abs=2e-3)


def test_a_second_trajectory_is_rejected_until_the_last_interval_has_passed(arm):
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.3, 0.6))
    arm.run(0.5)
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.1, angle=0.9))
    assert 'still moving' in arm.logged[-1][1]
    arm.run(0.12)
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.1, angle=0.9))
    assert arm.run(0.5)[-1, 0] == pytest.approx(0.9, abs=2e-3)


def test_commands_are_still_taken_during_a_trajectory(arm):
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.4))
    arm.run(0.1)
    arm.driver.command_single(arm.now_ns, 'waist', -0.2)
    assert arm.run(0.3)[-1, 0] == pytest.approx(-0.2, abs=2e-3)


@pytest.mark.parametrize('points', [[], waist_points(0)])
def test_a_trajectory_of_fewer_than_two_points_is_dropped(arm, points):
    arm.driver.command_trajectory(0, 'single', 'waist', points)
    assert arm.levels() == ['warn']
    arm.driver.command_trajectory(0, 'single', 'waist', waist_points(0, 0.1))
    assert arm.levels() == ['warn']


def test_a_trajectory_that_starts_elsewhere_is_run_with_a_warning(arm):
    points = [TrajectoryPoint(positions=[0.5]), TrajectoryPoint(positions=[0.4],
                                                                nanosec=200_000_000)]
    arm.driver.command_trajectory(0, 'single', 'waist', points)
    assert arm.levels() == ['warn']
    assert arm.run(0.4)[-1, 0] == pytest.approx(0.4, abs=2e-3)


def test_a_group_point_of_wrong_length_is_skipped(arm):
    points = [TrajectoryPoint(positions=HOME),
              TrajectoryPoint(positions=HOME[:3], nanosec=100_000_000),
              TrajectoryPoint(positions=[0.2, *HOME[1:]], nanosec=200_000_000)]
    arm.driver.command_trajectory(0, 'group', 'arm', points)
    assert arm.run(0.5)[-1, 0] == pytest.approx(0.2, abs=2e-3)
    assert arm.levels() == ['error']


def test_the_vendors_timing_defect_ends_the_process_and_the_arm_holds(arm):
    arm.driver.command_trajectory(0, 'single', 'waist', waist_points(0, 0.5, 1.5, 2.5))
    arm.run(1.2)
    assert 'negative period' in arm.driver.crash_reason
    assert arm.driver.joint_states(arm.now_ns) is None
    held = arm.positions[0]
    arm.driver.command_single(arm.now_ns, 'waist', -0.5)
    assert arm.driver.robot_info('group', 'arm') == RobotInfo()
    assert arm.run(0.5)[-1, 0] == held


def test_correct_timing_has_no_such_defect():
    arm = FollowingArm(trajectory_timing='correct')
    arm.driver.command_trajectory(0, 'single', 'waist', waist_points(0, 0.5, 1.5, 2.5))
    assert arm.run(2.6)[-1, 0] == pytest.approx(0.3, abs=2e-3)
    assert arm.driver.crash_reason is None


def test_an_empty_point_for_a_single_joint_ends_the_process(arm):
    points = [TrajectoryPoint(), TrajectoryPoint(nanosec=100_000_000)]
    arm.driver.command_trajectory(0, 'single', 'waist', points)
    arm.run(0.1)
    assert 'no value' in arm.driver.crash_reason


def test_another_command_type_blocks_and_moves_nothing(arm):
    arm.driver.command_trajectory(0, 'both', 'arm', waist_points(0, 0.5))
    arm.run(0.1)
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.5))
    assert arm.levels() == ['warn']
    np.testing.assert_allclose(arm.run(0.1)[-1, :6], HOME, atol=2e-3)


def test_an_unknown_group_in_a_trajectory_is_logged(arm):
    arm.driver.command_trajectory(0, 'group', 'legs', waist_points(0, 0.1))
    arm.run(0.2)
    assert arm.driver.crash_reason is None
    assert set(arm.levels()) == {'error'}


def test_an_unknown_timing_is_refused():
    with pytest.raises(ConfigurationError, match="'fixed'.*faithful, correct"):
        FollowingArm(trajectory_timing='fixed')


def test_a_hardware_error_takes_one_motor_out_until_it_reboots(arm):
    arm.driver.fail_motor('elbow')
    assert arm.register('elbow', 'Hardware_Error_Status') == 0x20
    arm.driver.command_group(arm.now_ns, 'arm', [0.2] * 6)
    arm.driver.torque_enable('group', 'arm', True)
    track = arm.run(1.0)
    assert track[-1, 2] == pytest.approx(HOME[2], abs=2e-3)
    assert track[-1, 0] == pytest.approx(0.2, abs=2e-3)
    arm.driver.reboot_motors(arm.now_ns, 'group', 'arm', enable=True, smart_reboot=True)
    arm.run(1.1)
    arm.driver.command_group(arm.now_ns, 'arm', [0.2] * 6)
    assert arm.run(1.0)[-1, 2] == pytest.approx(0.2, abs=2e-3)


def test_resting_elsewhere_ends_all_motion_and_keeps_the_modes(arm):
    arm.set_mode('single', 'gripper', 'current_based_position')
    arm.driver.command_trajectory(arm.now_ns, 'single', 'waist', waist_points(0, 0.3, 0.6))
    arm.driver.reboot_motors(arm.now_ns, 'single', 'elbow', enable=True, smart_reboot=False)
    arm.positions = np.array([0.1, -0.9, 1.0, 0.0, 0.0, 0.0, 0.7])
    arm.driver.rest_at(readings_at(arm.positions))
    arm.now_ns = 0
    assert not arm.driver.is_busy(0)
    track = arm.run(0.8)
    np.testing.assert_allclose(track, np.tile(track[0], (len(track), 1)), atol=2e-3)
    assert arm.driver.robot_info('single', 'gripper').mode == 'current_based_position'
