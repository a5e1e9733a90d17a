# SPDX-License-Identifier: Apache-2.0
"""teleop_node over real topics: leaders become chunks; a silent or broken one ends them."""

import math

import pytest
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.teleop_node import TeleopNode
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.leader import leader_specs

LEADERS = leader_specs(ALOHA)
JOINTS = [0.1, -0.96, 1.16, 0.0, -0.3, 0.2]


class World:
    """A teleop node, two leaders, and what comes out."""

    def __init__(self, ros):
        self.ros, node = ros, ros.node()
        self.publishers = [node.create_publisher(
            JointState, f'{leader.name}/joint_states', qos.DRIVER) for leader in LEADERS]
        self.chunks = ros.collect(node, JointTrajectory, '/teleop_node/joint_trajectory',
                                  qos.CHUNK)
        ros.add(TeleopNode(**ros.parameters(max_joint_age_s=0.3)))

    def lead(self, joints=JOINTS, sides=(0, 1)):
        """Publish the leaders' joint states once, grippers half open."""
        for index in sides:
            leader = LEADERS[index]
            self.publishers[index].publish(JointState(
                name=[*leader.joint_names, leader.gripper_joint],
                position=[*joints, leader.gripper.joint_from_opening(0.5)]))

    def wait_for_chunks(self):
        """Lead until chunks come."""
        self.ros.spin_until(lambda: self.lead() or len(self.chunks) > 3, 'chunks')


@pytest.fixture
def world(ros):
    """A world with two leaders."""
    return World(ros)


def test_leaders_become_chunks_that_the_arm_node_understands(world):
    world.wait_for_chunks()
    chunk = conversions.chunk_from_trajectory(world.chunks[-1], ALOHA)
    assert chunk.positions[-1].tolist() == pytest.approx([*JOINTS, 0.5] * 2)
    assert 0 < chunk.period_ns * len(chunk.positions) < 200_000_000


@pytest.mark.parametrize('lead', [
    lambda world: world.lead(sides=(0,)),
    lambda world: world.lead(joints=[-math.pi] * 6),
    lambda world: world.lead(joints=[math.nan] * 6),
], ids=['one is silent', 'failed reads', 'no numbers'])
def test_a_leader_that_is_silent_or_broken_ends_the_chunks(world, lead):
    world.wait_for_chunks()
    for _ in range(30):
        lead(world)
        world.ros.spin(0.02)
    before = len(world.chunks)
    for _ in range(10):
        lead(world)
        world.ros.spin(0.02)
    assert len(world.chunks) == before
    world.ros.spin_until(lambda: world.lead() or len(world.chunks) > before, 'chunks again')
