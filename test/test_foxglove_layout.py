# SPDX-License-Identifier: Apache-2.0
"""The Foxglove layout shows topics that a bring-up records, and fields that messages have."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup
from cosmos_policy_ros.recording.image_encoding import stored_image_topic
from cosmos_policy_ros.recording.schema import message_schema

LAYOUT = Path(__file__).parents[1] / 'config/foxglove_layout.json'
TYPES = {
    r'.*/joint_states': 'sensor_msgs/msg/JointState',
    r'.*/joint_group': 'interbotix_xs_msgs/msg/JointGroupCommand',
    r'.*/joint_single': 'interbotix_xs_msgs/msg/JointSingleCommand',
    r'/policy_node/action_chunk': 'cosmos_policy_ros/msg/ActionChunk',
    r'/policy_node/plan': 'cosmos_policy_ros/msg/Plan',
    r'/arm_node/status': 'cosmos_policy_ros/msg/ArmStatus'}


@pytest.fixture(scope='module')
def layout() -> dict[str, Any]:
    """Return the layout."""
    return json.loads(LAYOUT.read_text())


@pytest.fixture(scope='module')
def recorded() -> set[str]:
    """Topics that a bring-up with a policy records, as they are stored."""
    [recorder] = [node for node in describe_bringup(BringupOptions(sim=True))
                  if node.name == 'recorder_node']
    topics = (*recorder.parameters['topics'], *recorder.parameters['optional_topics'])
    return {*topics, *(f'{topic}/compressed' for topic in topics)}


def strings(content: Any) -> Iterator[str]:
    """Yield every string that begins like the name of a topic."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from strings(part)
    elif isinstance(content, str) and content.startswith('/'):
        yield content


def test_every_topic_is_recorded(layout: dict[str, Any], recorded: set[str]):
    shown = {path.partition('.')[0] for path in strings(layout['configById'])}
    assert len(shown) > 10
    assert {topic for topic in shown
            if stored_image_topic(topic, recorded) not in recorded} == set()


def test_every_field_is_in_its_message(layout: dict[str, Any]):
    paths = [path for path in strings(layout['configById']) if '.' in path]
    assert len(paths) > 20
    for path in paths:
        topic, _, fields = path.partition('.')
        [type_name] = {name for pattern, name in TYPES.items() if re.fullmatch(pattern, topic)}
        definition = message_schema(type_name)
        for field in fields.split('.'):
            name = field.partition('[')[0]
            assert re.search(rf'^\S+ {name}\b', definition, re.MULTILINE), (path, name)


def test_every_panel_stands_in_the_layout_once(layout: dict[str, Any]):
    def panels(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        return [*panels(node['first']), *panels(node['second'])]

    shown = panels(layout['layout'])
    assert sorted(shown) == sorted(layout['configById'])
