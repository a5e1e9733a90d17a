# SPDX-License-Identifier: Apache-2.0
"""The strict rule of the insertion: inside, held by both, off the table."""

import mujoco
import numpy as np
import pytest

from cosmos_policy_ros.simulation.assets import load_model
from cosmos_policy_ros.simulation.insertion import Insertion
from cosmos_policy_ros.simulation.kinematics import ArmKinematics
from cosmos_policy_ros.simulation.task import STAGE_STEPS
from cosmos_policy_ros.spec.aloha import ALOHA

# Fingers that press a little on the peg's 20 mm and on the socket's 44 mm.
PEG_FINGER_M, SOCKET_FINGER_M, OPEN_M = 0.0315, 0.0435, 0.057


class Scene:
    """A state without dynamics: each gripper around its object, or not."""

    def __init__(self):
        self.model = load_model(Insertion.scene)
        self.data, self.task = mujoco.MjData(self.model), Insertion()
        self.task.reset(self.model, self.data, 0)

    def judge(self, *, holds=('left', 'right'), gap_m=None):
        """Put each object where its gripper is, or the peg `gap_m` beside the socket."""
        for arm, finger in zip(ALOHA.arms, (SOCKET_FINGER_M, PEG_FINGER_M)):
            start = self.model.joint(f'vx300s_{arm.side}/waist').qposadr[0]
            self.data.qpos[start:start + 6] = arm.start_rad
            finger = finger if arm.side in holds else OPEN_M
            self.data.qpos[start + 6:start + 8] = finger, -finger
        left, right = (ArmKinematics(self.model, arm).pose(np.array(arm.start_rad)).position_m
                       for arm in ALOHA.arms)
        peg = right if gap_m is None else left + [gap_m, 0, 0]
        self.data.joint('blue_socket_joint').qpos[:] = [*left, 1, 0, 0, 0]
        self.data.joint('red_peg_joint').qpos[:] = [*peg, 1, 0, 0, 0]
        mujoco.mj_forward(self.model, self.data)
        return self.task.update(self.model, self.data)


@pytest.fixture
def scene():
    return Scene()


def test_objects_held_apart_are_lifted_but_not_joined(scene):
    statuses = [scene.judge() for _ in range(STAGE_STEPS)]
    assert statuses[-1].stage_name == 'both grippers lift'
    assert statuses[-1].held_steps == 0


def test_one_free_hand_is_no_progress(scene):
    statuses = [scene.judge(holds=('left',)) for _ in range(STAGE_STEPS)]
    assert {status.stage_name for status in statuses} == {'approaching'}


def test_a_peg_in_the_socket_that_nobody_holds_is_no_success(scene):
    statuses = [scene.judge(gap_m=0.0999) for _ in range(30)]
    assert not statuses[-1].is_success


def test_objects_of_a_seed_lie_apart(scene):
    for seed in range(20):
        scene.task.reset(scene.model, scene.data, seed)
        poses = scene.task.object_poses(scene.model, scene.data.qpos)
        assert poses['peg'][0] - poses['socket'][0] >= 0.2
