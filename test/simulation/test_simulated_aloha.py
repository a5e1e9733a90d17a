# SPDX-License-Identifier: Apache-2.0
"""The whole robot on one clock: ticks, resets, threads."""

import threading

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha, TICK_NS
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
ARMS = [arm.name for arm in ALOHA.arms]
LEFT, RIGHT = ARMS


@pytest.fixture
def robot():
    return SimulatedAloha(ALOHA, log=lambda level, text: None)


def arm_positions(robot, name):
    return np.array(robot.joint_states(name).positions[:6])


def command(robot, name, positions, now_ns):
    with robot.driver(name) as driver:
        driver.command_group(now_ns, 'arm', positions)


def test_time_advances_in_whole_ticks_and_never_beyond_now(robot):
    assert robot.advance_to(TICK_NS - 1) == 0
    assert robot.advance_to(10 * TICK_NS + 1) == 10
    assert robot.stamp_ns == 10 * TICK_NS
    assert robot.advance_to(5 * TICK_NS) == 0


def test_a_robot_left_alone_keeps_its_pose(robot):
    robot.advance_to(1000 * MS)
    for name in ARMS:
        np.testing.assert_allclose(arm_positions(robot, name), ALOHA.arms[0].start_rad, atol=0.02)


def test_each_arm_obeys_its_own_driver(robot):
    command(robot, LEFT, [0.3, -0.96, 1.16, 0, -0.3, 0], 0)
    robot.advance_to(1000 * MS)
    assert arm_positions(robot, LEFT)[0] == pytest.approx(0.3, abs=0.01)
    assert arm_positions(robot, RIGHT)[0] == pytest.approx(0.0, abs=0.01)


def test_a_leap_of_the_goal_turns_the_joint_at_the_motors_speed_limit(robot):
    command(robot, LEFT, [2.5, -0.96, 1.16, 0, -0.3, 0], 0)
    robot.advance_to(200 * MS)
    before = arm_positions(robot, LEFT)[0]
    robot.advance_to(700 * MS)
    assert (arm_positions(robot, LEFT)[0] - before) / 0.5 == pytest.approx(np.pi, rel=0.05)


def test_slicing_time_differently_changes_nothing():
    ends = []
    for step_ms in (20, 7, 600):
        robot = SimulatedAloha(ALOHA, log=lambda level, text: None)
        robot.reset(seed=4, now_ns=0)
        command(robot, RIGHT, [0.2, -0.5, 0.8, 0, 0, 0], 0)
        for ms in range(step_ms, 601, step_ms):
            robot.advance_to(ms * MS)
        robot.advance_to(600 * MS)
        ends.append(robot.snapshot().qpos)
    assert (ends[0] == ends[1]).all() and (ends[0] == ends[2]).all()


def test_a_reset_starts_again_at_any_time_of_the_clock(robot):
    robot.advance_to(300 * MS)
    robot.reset(seed=2, now_ns=50 * MS)
    first = robot.snapshot()
    robot.advance_to(200 * MS)
    robot.reset(seed=2, now_ns=10**12)
    assert (robot.snapshot().qpos == first.qpos).all()
    assert (first.stamp_ns, robot.stamp_ns) == (50 * MS, 10**12)
    assert robot.advance_to(10**12 + TICK_NS) == 1


def test_a_reset_forgets_old_goals_but_not_the_modes(robot):
    with robot.driver(LEFT) as driver:
        driver.set_operating_modes(
            0, 'single', 'gripper', mode='current_based_position', profile_type='velocity',
            profile_velocity=0, profile_acceleration=0)
    command(robot, LEFT, [1.0, -0.96, 1.16, 0, -0.3, 0], 0)
    robot.advance_to(100 * MS)
    robot.reset(seed=0, now_ns=100 * MS)
    robot.advance_to(600 * MS)
    assert arm_positions(robot, LEFT)[0] == pytest.approx(0.0, abs=0.01)
    with robot.driver(LEFT) as driver:
        assert driver.robot_info('single', 'gripper').mode == 'current_based_position'


def test_the_sleep_pose_can_be_the_start(robot):
    robot.reset(seed=0, now_ns=0, start_pose='sleep', gripper_opening=0.8)
    np.testing.assert_allclose(arm_positions(robot, LEFT), ALOHA.arms[0].sleep_rad, atol=2e-3)
    gripper = robot.joint_states(LEFT).positions[6]
    assert ALOHA.arms[0].gripper.opening_from_joint(gripper) == pytest.approx(0.8, abs=2e-3)


def test_an_unknown_start_pose_is_refused(robot):
    with pytest.raises(ConfigurationError, match="'home'.*start, sleep"):
        robot.reset(seed=0, now_ns=0, start_pose='home')


def test_an_unknown_arm_is_refused_with_the_known_ones(robot):
    with pytest.raises(ConfigurationError, match='leader_left.*follower_left, follower_right'):
        robot.joint_states('leader_left')


def test_a_busy_driver_has_no_joint_states(robot):
    with robot.driver(LEFT) as driver:
        driver.reboot_motors(0, 'single', 'gripper', enable=True, smart_reboot=False)
    robot.advance_to(500 * MS)
    assert robot.joint_states(LEFT) is None
    assert robot.joint_states(RIGHT) is not None
    robot.advance_to(1100 * MS)
    assert robot.joint_states(LEFT) is not None


def test_an_error_while_holding_a_driver_frees_the_lock(robot):
    with pytest.raises(ZeroDivisionError), robot.driver(LEFT):
        raise ZeroDivisionError
    assert robot.advance_to(TICK_NS) == 1


def test_threads_may_advance_command_and_look_at_once(robot):
    failures, done = [], threading.Event()

    def repeat(action):
        try:
            while not done.is_set():
                action()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(action,)) for action in (
        lambda: command(robot, LEFT, [0.1, -0.96, 1.16, 0, -0.3, 0], robot.stamp_ns),
        lambda: robot.joint_states(RIGHT),
        lambda: robot.snapshot().qpos.sum())]
    for thread in threads:
        thread.start()
    robot.advance_to(400 * MS)
    done.set()
    for thread in threads:
        thread.join(10)
    assert not failures
    assert robot.stamp_ns == 400 * MS
    assert arm_positions(robot, LEFT)[0] > 0.05


def test_the_task_is_judged_every_20_ms(robot):
    assert robot.status.held_steps == 0
    robot.advance_to(200 * MS)
    assert robot.status.stage_name == 'approaching'
    assert not robot.status.is_success
