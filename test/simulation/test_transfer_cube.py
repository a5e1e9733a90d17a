# SPDX-License-Identifier: Apache-2.0
"""The strict success rule, on contacts that MuJoCo finds."""

import mujoco
import numpy as np
import pytest

from cosmos_policy_ros.simulation.kinematics import ArmKinematics
from cosmos_policy_ros.simulation.task import bodies_touching, STAGE_STEPS
from cosmos_policy_ros.simulation.transfer_cube import (
    HardTransferCube, LiftCube, transfer_stage, TransferCube)
from cosmos_policy_ros.simulation.world import AlohaWorld
from cosmos_policy_ros.spec.aloha import ALOHA

# Fingers at 41.5 mm press a little on a cube of 40 mm.
GRIPPING_M, OPEN_M = 0.0415, 0.057
IN_THE_AIR, ON_THE_TABLE = np.array([0.0, 0.5, 0.25]), np.array([0.1, 0.5, 0.0199])


class Scene:
    """A state without dynamics in which one gripper may hold the cube."""

    def __init__(self, model):
        self.model, self.data, self.task = model, mujoco.MjData(model), TransferCube()
        self.task.reset(model, self.data, 0)

    def judge(self, holder=None, cube=IN_THE_AIR):
        """Let one gripper hold the cube, or none with the cube at a place, and judge that."""
        for arm in ALOHA.arms:
            start = self.model.joint(f'vx300s_{arm.side}/waist').qposadr[0]
            self.data.qpos[start:start + 6] = arm.start_rad
            finger = GRIPPING_M if arm.side == holder else OPEN_M
            self.data.qpos[start + 6:start + 8] = finger, -finger
            if arm.side == holder:
                cube = ArmKinematics(self.model, arm).pose(np.array(arm.start_rad)).position_m
        self.data.joint('red_box_joint').qpos[:] = [*cube, 1, 0, 0, 0]
        mujoco.mj_forward(self.model, self.data)
        return self.task.update(self.model, self.data)


@pytest.fixture
def scene(model):
    return Scene(model)


@pytest.mark.parametrize(('holder', 'cube', 'stage'), [
    (None, IN_THE_AIR, 'approaching'), (None, ON_THE_TABLE, 'approaching'),
    ('right', None, 'right gripper lifts'), ('left', None, 'left gripper holds alone')])
def test_stages_follow_from_the_contacts(scene, holder, cube, stage):
    statuses = [scene.judge(holder, cube) for _ in range(STAGE_STEPS)]
    assert statuses[-1].stage_name == stage


def test_a_stage_counts_once_it_lasts_and_until_it_ends(scene):
    for _ in range(STAGE_STEPS):
        scene.judge('right')
    for holder in (*['left'] * (STAGE_STEPS - 1), 'right'):
        assert scene.judge(holder).stage_name == 'right gripper lifts'
    assert scene.judge(None, ON_THE_TABLE).stage_name == 'approaching'


@pytest.mark.parametrize(('left', 'right', 'table', 'stage'), [
    (0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 1, 1), (0, 1, 0, 2), (1, 1, 0, 3), (1, 0, 0, 4),
    (1, 0, 1, 0), (1, 1, 1, 1)])
def test_every_combination_of_contacts_has_its_stage(left, right, table, stage):
    assert transfer_stage(left, right, table) == stage


def test_success_takes_25_steps_of_the_left_gripper_alone(scene):
    for step in range(1, 25):
        status = scene.judge('left')
        assert (status.held_steps, status.is_success) == (step, False)
    assert scene.judge('left').is_success


def test_one_step_without_contact_starts_the_count_again(scene):
    for _ in range(24):
        scene.judge('left')
    assert scene.judge(None).held_steps == 0
    for _ in range(24):
        status = scene.judge('left')
    assert not status.is_success


def test_the_right_gripper_never_succeeds(scene):
    for _ in range(60):
        status = scene.judge('right')
    assert not status.is_success


def test_success_is_kept_until_the_reset(scene):
    for _ in range(25):
        scene.judge('left')
    assert scene.judge(None).is_success
    scene.task.reset(scene.model, scene.data, 0)
    assert not scene.judge(None).is_success


def test_bodies_touching_the_cube_are_named(scene):
    scene.judge(None, ON_THE_TABLE)
    assert bodies_touching(scene.model, scene.data, 'box') == {'table'}
    scene.judge('left')
    assert bodies_touching(scene.model, scene.data, 'box') == {
        'vx300s_left/left_finger_link', 'vx300s_left/right_finger_link'}


def test_the_cube_of_a_seed_always_lies_in_the_same_place(model):
    places = []
    for seed in (3, 4, 3):
        data = mujoco.MjData(model)
        TransferCube().reset(model, data, seed)
        places.append(data.joint('red_box_joint').qpos[:2].copy())
    assert (places[0] == places[2]).all() and (places[0] != places[1]).any()


def test_lifting_takes_height_and_the_right_gripper(scene):
    scene.task = LiftCube()
    scene.task.reset(scene.model, scene.data, 0)
    statuses = [scene.judge('right') for _ in range(25)]
    assert [status.is_success for status in statuses] == [False] * 24 + [True]
    scene.task.reset(scene.model, scene.data, 0)
    assert not any(scene.judge('left').held_steps for _ in range(3))


@pytest.fixture(scope='module')
def hard():
    return AlohaWorld(ALOHA, HardTransferCube())


def test_the_hard_cube_is_turned_and_its_world_varies(hard):
    looks, yaws = [], []
    for seed in range(20):
        hard.reset(seed, ALOHA.start_pose)
        cube = hard.task.object_poses(hard.model, hard.data.qpos)['box']
        other = hard.data.joint('distractor_joint').qpos[:2]
        yaws.append(2 * np.arctan2(cube[6], cube[3]))
        looks.append(hard.snapshot(0).appearance)
        assert np.linalg.norm(other - cube[:2]) >= HardTransferCube.distractor_distance_m
    assert np.abs(yaws).max() <= np.pi / 4 and np.ptp(yaws) > 0.8
    assert len({look.colours['red_box'] for look in looks}) == 20
    assert all(look.colours['red_box'][0] > 2 * max(look.colours['red_box'][1:3])
               for look in looks)


def test_a_hard_scene_is_at_rest(hard):
    hard.reset(5, ALOHA.start_pose)
    before = hard.task.object_poses(hard.model, hard.data.qpos)['box']
    hard.advance(0.5)
    after = hard.task.object_poses(hard.model, hard.data.qpos)['box']
    np.testing.assert_allclose(after[:3], before[:3], atol=2e-3)
