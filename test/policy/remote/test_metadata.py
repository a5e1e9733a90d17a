# SPDX-License-Identifier: Apache-2.0
"""What a server says about its policy."""

from dataclasses import replace

import pytest
from server_thread import METADATA

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.metadata import metadata_from_wire, metadata_of
from cosmos_policy_ros.policy.remote.records import record_to_wire


@pytest.mark.parametrize('known_tasks', [None, ('transfer the cube', 'insert the peg')])
def test_metadata_survive_the_journey(known_tasks):
    metadata = replace(METADATA, known_tasks=known_tasks)
    assert metadata_from_wire(decode(encode(record_to_wire(metadata)))) == metadata


def test_metadata_describe_the_policy(gated_policy):
    metadata = metadata_of(gated_policy, max_message_bytes=5)
    assert (metadata.name, metadata.is_trained, metadata.known_tasks) == ('gated', True, None)
    assert (metadata.camera_names, metadata.chunk_size) == (('cam_high',), 3)


@pytest.mark.parametrize('field, value', [
    ('name', ''), ('name', None), ('is_trained', None), ('is_trained', 1), ('known_tasks', 'text'),
    ('camera_names', []), ('camera_names', 'cam'), ('chunk_size', 0), ('chunk_size', 3.5),
    ('can_plan', None), ('trained_values', [1]), ('arm_order', 'left'),
    ('max_message_bytes', -1)])
def test_metadata_that_make_no_sense_are_refused(field, value):
    with pytest.raises(ConfigurationError):
        metadata_from_wire({**record_to_wire(METADATA), field: value})


def test_every_field_is_required():
    message = record_to_wire(METADATA)
    for field in message:
        rest = {key: value for key, value in message.items() if key != field}
        if field != 'known_tasks':
            with pytest.raises(ConfigurationError, match=f"no '{field}'"):
                metadata_from_wire(rest)


def test_the_metadata_of_another_kind_of_server_are_refused():
    with pytest.raises(ConfigurationError, match="unknown fields 'action_horizon'"):
        metadata_from_wire({'action_horizon': 50})
