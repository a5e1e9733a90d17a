# SPDX-License-Identifier: Apache-2.0
"""The physics in motor quantities: resets, goals, readings."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.simulation.motor_signals import MotorGoals
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.simulation.world import AlohaWorld
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_V1

HOME = [*ALOHA.arms[0].start_rad]


def goals_at(positions, ceiling_ma=np.inf):
    return MotorGoals(positions_rad=np.array(positions, dtype=float),
                      ceilings_ma=np.full(7, ceiling_ma))


def cube_xy(world):
    return world.data.joint('red_box_joint').qpos[:2].copy()


def trajectory(seed):
    world = AlohaWorld(ALOHA, TransferCube())
    world.reset(seed, ALOHA.start_pose)
    track = []
    for i in range(20):
        world.set_goals(1, goals_at([0.01 * i, *HOME[1:], 1.2]))
        world.advance(0.02)
        track.append(world.data.qpos.copy())
    return np.array(track)


def test_one_seed_gives_one_trajectory_to_the_last_bit():
    assert (trajectory(5) == trajectory(5)).all()
    assert (trajectory(5)[0] != trajectory(6)[0]).any()


def test_a_reset_erases_the_past(world):
    world.reset(3, ALOHA.start_pose)
    fresh = world.data.qpos.copy()
    world.set_goals(0, goals_at([0.5] * 7))
    world.advance(0.5)
    world.reset(3, ALOHA.start_pose)
    assert (world.data.qpos == fresh).all()
    assert (world.data.qvel == 0).all()
    assert world.time_s == 0


def test_the_cube_is_spread_over_its_square(world):
    xy = []
    for seed in range(200):
        world.reset(seed, ALOHA.start_pose)
        xy.append(cube_xy(world))
    low, high = TransferCube.cube_low_m, TransferCube.cube_high_m
    assert (np.array(xy) >= low).all() and (np.array(xy) <= high).all()
    np.testing.assert_allclose(np.min(xy, axis=0), low, atol=0.01)
    np.testing.assert_allclose(np.max(xy, axis=0), high, atol=0.01)
    np.testing.assert_allclose(np.mean(xy, axis=0), np.mean([low, high], axis=0), atol=0.015)


def test_the_reset_pose_is_what_the_motors_read(world):
    for arm in (0, 1):
        readings = world.read_motors(arm)
        np.testing.assert_allclose(readings.positions_rad[:6], HOME)
        assert (readings.velocities_rad_s == 0).all()


@pytest.mark.parametrize('robot', [ALOHA, ALOHA_V1], ids=lambda robot: robot.name)
def test_gripper_openings_within_the_models_range_are_read_as_they_are_set(robot):
    world = AlohaWorld(robot, TransferCube())
    pose = robot.start_pose
    for opening in np.linspace(0.07, 0.97, 10):
        pose[[6, 13]] = opening
        world.reset(0, pose)
        angle = world.read_motors(0).positions_rad[6]
        assert robot.arms[0].gripper.opening_from_joint(angle) == pytest.approx(opening)


@pytest.mark.parametrize(('opening', 'finger_m'), [(-0.5, 0.021), (1.5, 0.057)])
def test_the_models_own_finger_range_clips_the_gripper(world, opening, finger_m):
    pose = ALOHA.start_pose
    pose[[6, 13]] = opening
    world.reset(0, pose)
    assert world.data.joint('vx300s_left/left_finger').qpos[0] == finger_m
    assert world.data.joint('vx300s_left/right_finger').qpos[0] == -finger_m


def test_an_arm_goes_where_it_aims_and_the_other_stays(world):
    target = [0.2, -0.8, 1.0, 0.1, -0.1, 0.2, 1.5]
    world.set_goals(0, goals_at(target))
    world.advance(1.5)
    np.testing.assert_allclose(world.read_motors(0).positions_rad, target, atol=0.02)
    np.testing.assert_allclose(world.read_motors(1).positions_rad[:6], HOME, atol=0.02)


def test_a_limp_arm_sags_and_a_held_one_does_not(world):
    world.set_goals(0, goals_at([0.0] * 7, ceiling_ma=0.0))
    before = world.read_motors(0).positions_rad
    for _ in range(250):
        world.set_goals(0, goals_at([0.0] * 7, ceiling_ma=0.0))
        world.advance(0.004)
    sag = world.read_motors(0).positions_rad - before
    assert sag[2] > 0.02
    assert np.abs(world.read_motors(1).positions_rad[:6] - HOME).max() < 0.02


def test_a_gripper_with_little_current_closes_with_little_force(world):
    forces = []
    for ceiling_ma in (20.0, 60.0):
        world.reset(0, ALOHA.start_pose)
        world.set_goals(0, goals_at([*HOME, 1.5], ceiling_ma))
        world.advance(0.004)
        forces.append(world.read_motors(0).efforts_ma[6])
    np.testing.assert_allclose(forces, [20.0, 60.0], rtol=0.05)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_goal_that_is_no_number_is_refused_and_leaves_the_arm_alone(world, value):
    with pytest.raises(RobotError, match='not finite'):
        world.set_goals(0, goals_at([value] * 7))
    world.advance(0.1)
    assert np.isfinite(world.data.qpos).all()


def test_a_snapshot_is_a_copy(world):
    snapshot = world.snapshot(7)
    world.set_goals(0, goals_at([0.5] * 7))
    before = snapshot.qpos.copy()
    world.advance(0.2)
    assert (snapshot.qpos == before).all()
    assert snapshot.stamp_ns == 7
    with pytest.raises(ValueError, match='read-only'):
        snapshot.qpos[0] = 1
