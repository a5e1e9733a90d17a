# SPDX-License-Identifier: Apache-2.0
"""The strict success rule, on contacts that MuJoCo finds."""

import mujoco
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.kinematics import ArmKinematics
from cosmos_policy_ros.simulation.tasks import (
    bodies_touching, make_task, transfer_stage, TransferCube)
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
    assert scene.judge(holder, cube).stage_name == stage


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


def test_tasks_are_made_by_their_text():
    assert isinstance(make_task('transfer the cube'), TransferCube)
    with pytest.raises(ConfigurationError, match="'fold the shirt'.*transfer the cube"):
        make_task('fold the shirt')
