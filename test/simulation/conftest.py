# SPDX-License-Identifier: Apache-2.0
"""A compiled model, a world at rest, and a driver with obedient motors."""

from following_arm import FollowingArm
import pytest

from cosmos_policy_ros.simulation.assets import load_model
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.simulation.world import AlohaWorld
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture
def arm():
    return FollowingArm()


@pytest.fixture(scope='session')
def model():
    return load_model(TransferCube.scene)


@pytest.fixture
def world():
    world = AlohaWorld(ALOHA, TransferCube())
    world.reset(0, ALOHA.start_pose)
    return world
