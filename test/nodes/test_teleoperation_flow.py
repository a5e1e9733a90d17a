# SPDX-License-Identifier: Apache-2.0
"""The whole flow without cameras, in one process: gesture, recording, following, saving."""

import pytest
from std_srvs.srv import Trigger

pytest.importorskip('mujoco')

from cosmos_policy_ros.nodes import qos  # noqa: E402
from cosmos_policy_ros.nodes.arm_node import ArmNode  # noqa: E402
from cosmos_policy_ros.nodes.interfaces import (  # noqa: E402
    ArmStatusMsg, BeginBatch, RecorderStatusMsg)
from cosmos_policy_ros.nodes.recorder_node import RecorderNode  # noqa: E402
from cosmos_policy_ros.nodes.simulated_aloha_node import SimulatedAlohaNode  # noqa: E402
from cosmos_policy_ros.nodes.teleop_node import TeleopNode  # noqa: E402
from cosmos_policy_ros.recording.reader import EpisodeReader  # noqa: E402

TOPICS = tuple(f'/{role}_{side}/joint_states' for role in ('follower', 'leader')
               for side in ('left', 'right'))
COMMANDS = tuple(f'/follower_{side}/commands/{kind}' for side in ('left', 'right')
                 for kind in ('joint_group', 'joint_single'))


def remapped(name, target):
    """Return the node option that remaps a name."""
    return {'cli_args': ['--ros-args', '-r', f'{name}:={target}']}


def test_closing_the_leader_grippers_records_what_the_followers_then_do(ros, tmp_path):
    node = ros.node()
    ros.add(SimulatedAlohaNode(
        **ros.parameters(render=False, leaders=True),
        **remapped('recorder_status', '/recorder_node/status')))
    # Generous ages: a busy machine holds a process of Python longer than any real driver.
    ros.add(ArmNode(
        **ros.parameters(autostart='active', max_joint_age_s=2.0, driver_timeout_s=10.0,
                         velocity_scale=1.0, blend_s=0.001),
        **remapped('joint_trajectory', '/teleop_node/joint_trajectory')))
    ros.add(TeleopNode(**ros.parameters(max_joint_age_s=2.0)))
    ros.add(RecorderNode(**ros.parameters(
        output_directory=str(tmp_path), topics=TOPICS, optional_topics=COMMANDS,
        min_free_bytes=0, gesture_hold_s=0.3)))
    arms = ros.collect(node, ArmStatusMsg, '/arm_node/status', qos.STATUS)
    recorder = ros.collect(node, RecorderStatusMsg, '/recorder_node/status', qos.STATUS)
    ros.spin_until(lambda: arms and len(arms[-1].measured) == 14, 'joint states', 60.0)
    answer = ros.call(node, Trigger, '/arm_node/start', Trigger.Request(), 60.0)
    assert answer.success, answer.message
    answer = ros.call(node, BeginBatch, '/recorder_node/begin_batch', BeginBatch.Request(
        num_episodes=1, episode_s=2.5))
    assert answer.success, answer.message
    ros.spin_until(lambda: recorder and recorder[-1].state == 'recording',
                   'the start by gesture', 60.0)
    ros.spin_until(lambda: recorder[-1].state == 'done', 'the end of the batch', 40.0)
    topics = EpisodeReader(tmp_path / 'episode_000000').topics
    assert all(topics[name].count > 5 for name in (*TOPICS, *COMMANDS))
    # The gesture closed the grippers and the task opens and moves: the arms took part in it.
    moved = [max(status.measured[i] for status in arms if len(status.measured))
             - min(status.measured[i] for status in arms if len(status.measured))
             for i in range(14)]
    assert max(moved) > 0.2 and not any(status.stop_reason == 'following_error'
                                        for status in arms)
