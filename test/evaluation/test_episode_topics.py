# SPDX-License-Identifier: Apache-2.0
"""Topics follow from the names that the robot's configuration lists."""

import pytest
from synthetic_episode import NAMES

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.episode_topics import episode_topics
from cosmos_policy_ros.spec.aloha import ALOHA


def test_topics_are_those_of_the_robot():
    topics = episode_topics(ALOHA, {**NAMES, 'cam_high/image': '/top/image_raw'})
    assert topics.cameras['cam_high'] == '/top/image_raw'
    assert topics.joint_states['follower_left'] == '/follower_left/joint_states'
    assert topics.gripper_commands['follower_right'] == '/follower_right/commands/joint_single'
    assert topics.predicted['cam_high'] == '/policy_node/predicted/cam_high'


def test_missing_name_is_told():
    names = {name: topic for name, topic in NAMES.items() if name != 'cam_low/image'}
    with pytest.raises(ConfigurationError, match='cam_low/image'):
        episode_topics(ALOHA, names)
