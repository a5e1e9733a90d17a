# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics undo each other."""

import mujoco
import numpy as np
import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.simulation.kinematics import (
    ArmKinematics, GripperPose, LIMIT_MARGIN_RAD)
from cosmos_policy_ros.spec.aloha import ALOHA

ARM = ALOHA.arms[1]
START = np.array(ARM.start_rad)


@pytest.fixture(scope='module')
def kinematics(model):
    return ArmKinematics(model, ARM)


@pytest.mark.parametrize('seed', range(20))
def test_inverse_undoes_forward(kinematics, seed):
    bent = np.array([0.0, -0.3, 0.6, 0.0, 0.7, 0.0])
    target = kinematics.pose(bent + np.random.default_rng(seed).uniform(-0.3, 0.3, 6))
    found = kinematics.pose(kinematics.joints(target, bent))
    np.testing.assert_allclose(found.position_m, target.position_m, atol=3e-4)
    turn = np.empty(3)
    mujoco.mju_subQuat(turn, found.quaternion, target.quaternion)
    assert np.linalg.norm(turn) < 3e-3


def test_a_pose_already_reached_keeps_the_joints(kinematics):
    assert (kinematics.joints(kinematics.pose(START), START) == START).all()


def test_the_two_arms_are_mirror_images(model, kinematics):
    left = ArmKinematics(model, ALOHA.arms[0]).pose(START).position_m
    right = kinematics.pose(START).position_m
    np.testing.assert_allclose(left * [-1, 1, 1], right, atol=1e-5)


def test_answers_keep_a_margin_from_the_limits(kinematics):
    near_limit = np.array([0.0, -0.3, 0.6, 0.0, 0.7, 0.0])
    near_limit[4] = ARM.upper_rad[4] - 0.01
    with pytest.raises(PredictionError):
        kinematics.joints(kinematics.pose(near_limit), near_limit - 0.2)
    near_limit[4] = ARM.upper_rad[4] - LIMIT_MARGIN_RAD - 0.01
    kinematics.joints(kinematics.pose(near_limit), near_limit - 0.2)


def test_a_pose_out_of_reach_is_refused_with_what_is_missing(kinematics):
    far = GripperPose(position_m=np.array([-2.0, 0.5, 0.2]), quaternion=np.array([1.0, 0, 0, 0]))
    with pytest.raises(PredictionError, match='follower_right cannot reach .* mm are missing'):
        kinematics.joints(far, START)
