# SPDX-License-Identifier: Apache-2.0
"""Chunks of a trial: they go on where the arms are, and begin with what is committed."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.evaluation.motion_chunks import (
    continued, DisagreeingExpert, ModelChunks, RETURN_STEPS)
from cosmos_policy_ros.evaluation.virtual_robot import VirtualRobot
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.spec.aloha import ALOHA

IS_ARM_JOINT = ~np.isin(np.arange(14), ALOHA.gripper_indices)


@pytest.fixture(scope='module')
def robot() -> VirtualRobot:
    """The robot at its start pose."""
    robot = VirtualRobot(ALOHA, TransferCube.name)
    robot.reset(0)
    return robot


@given(count=st.integers(1, 50), gap=st.floats(-1.0, 1.0))
def test_a_continued_chunk_begins_as_committed_and_comes_back_without_a_step(count, gap):
    own = np.tile(np.linspace(0.0, 1.0, 50)[:, None], 14)
    chunk = continued(own[:count] + gap, own)
    np.testing.assert_array_equal(chunk[:count], own[:count] + gap)
    np.testing.assert_allclose(chunk[count + RETURN_STEPS:], own[count + RETURN_STEPS:])
    beside = np.abs(np.diff(chunk - own, axis=0))
    # The steepest part of a minimum-jerk return.
    assert beside.max() <= 1.875 / RETURN_STEPS * abs(gap) + 1e-9


def test_chunks_of_one_mind_overlap_exactly(robot):
    expert = DisagreeingExpert(ALOHA, disagreement_rad=0.0)
    length_s = expert.begin(robot, 0)
    first, later = (expert.positions(robot, moved_s, None) for moved_s in (1.0, 1.4))
    np.testing.assert_allclose(first[10:], later[:40], atol=1e-12)
    end = expert.positions(robot, length_s, None)
    assert (end == end[0]).all()


def test_disagreement_is_of_arm_joints_and_follows_from_the_seed(robot):
    chunks = []
    for seed in (1, 1, 2):
        expert = DisagreeingExpert(ALOHA)
        expert.begin(robot, seed)
        chunks.append(expert.positions(robot, 1.0, None))
    np.testing.assert_array_equal(chunks[0], chunks[1])
    gap = np.abs(chunks[0] - chunks[2]).max(axis=0)
    assert (gap[IS_ARM_JOINT] > 0).all() and (gap[~IS_ARM_JOINT] == 0).all()


def test_a_model_sees_the_robot_and_gets_another_seed_every_time(robot):
    asked = []

    def predict(observation, seed, **options):
        asked.append((observation, seed, options))
        return SimpleNamespace(chunk=SimpleNamespace(positions=np.zeros((50, 14))))

    model = ModelChunks(SimpleNamespace(
        camera_names=('cam_high',), predict=predict, reset=lambda: None), 'transfer the cube')
    assert model.begin(robot, 3) is None
    committed = np.ones((2, 14))
    for given_actions in (None, committed):
        model.positions(robot, 0.0, given_actions)
    measured = [robot.samples[arm.name] for arm in ALOHA.arms]
    assert all(isinstance(sample, JointSample) for sample in measured)
    np.testing.assert_array_equal(
        asked[0][0].proprio, np.concatenate([sample.positions for sample in measured]))
    image = asked[0][0].images['cam_high']
    assert image.shape == (480, 640, 3) and image.std() > 10
    assert [seed for _, seed, _ in asked] == [3001, 3002]
    assert asked[0][2] == {} and asked[1][2]['committed_actions'] is committed
