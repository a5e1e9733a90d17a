# SPDX-License-Identifier: Apache-2.0
"""The robot on a virtual clock: its ticks, what listeners hear, disturbances, cameras."""

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.virtual_cameras import VirtualCameras
from cosmos_policy_ros.evaluation.virtual_robot import START_NS, STEP_NS, VirtualRobot
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

PERIOD_NS = 40_000_000
STAY = ActionChunk(positions=np.tile(ALOHA.start_pose, (50, 1)), stamp_ns=START_NS,
                   period_ns=PERIOD_NS)


class Listener:
    """Remembers when it heard what."""

    def __init__(self):
        self.joints_ns, self.commands = [], []

    def on_joint_states(self, arm, states, now_ns):
        self.joints_ns.append((arm.name, now_ns))

    def on_command(self, command):
        self.commands.append(command)


@pytest.fixture(scope='module')
def robot():
    return VirtualRobot(ALOHA, 'transfer_cube')


def run(robot, steps, **options):
    robot.reset(0, **options)
    assert robot.submit(STAY).is_accepted
    for _ in range(steps):
        robot.advance()
    return np.concatenate([robot.samples[arm.name].positions for arm in ALOHA.arms])


def test_an_episode_begins_at_the_same_time_and_pose(robot):
    for _ in range(2):
        robot.reset(3)
        assert robot.now_ns == START_NS
        np.testing.assert_allclose(
            robot.samples['follower_left'].positions[:6], ALOHA.arms[0].start_rad, atol=0.03)


def test_listeners_hear_joints_every_step_and_commands_every_second(robot):
    listener = Listener()
    run(robot, 20, listeners=(listener,))
    left = [now_ns for name, now_ns in listener.joints_ns if name == 'follower_left']
    assert left == [START_NS + k * STEP_NS for k in range(21)]
    stamps = [command.stamp_ns for command in listener.commands]
    assert stamps == [START_NS + 2 * k * STEP_NS for k in range(1, 11)]


def test_a_disturbance_moves_the_arms_and_not_the_commands(robot):
    offset = np.zeros(14)
    offset[0] = 0.05
    listener = Listener()
    still = run(robot, 60)
    moved = run(robot, 60, listeners=(listener,), disturbance=lambda now_ns: offset)
    assert moved[0] - still[0] == pytest.approx(0.05, abs=0.01)
    assert np.abs(np.delete(moved - still, 0)).max() < 0.01
    assert abs(listener.commands[-1].positions[0]) < 0.01


def test_an_image_depends_on_its_moment_alone(robot):
    robot.reset(0)
    cameras = VirtualCameras(ALOHA, robot.simulation, ('cam_high', 'cam_left_wrist'))
    cameras.reset(4)
    snapshot = robot.snapshot()
    image = cameras.render(snapshot, 'cam_high')
    cameras.render(snapshot, 'cam_left_wrist')
    assert (cameras.render(snapshot, 'cam_high') == image).all()
    robot.advance()
    assert (cameras.render(robot.snapshot(), 'cam_high') != image).any(), 'noise is never the same'
    cameras.reset(5)
    assert (cameras.render(snapshot, 'cam_high') != image).any()
    cameras.close()
