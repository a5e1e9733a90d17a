# SPDX-License-Identifier: Apache-2.0
"""Messages serialised without ROS, and episodes made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rosbags.typesys import get_typestore, Stores
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

STRING = 'std_msgs/msg/String'
PERIOD_NS = 20_000_000


@pytest.fixture(scope='session')
def typestore() -> Typestore:
    """Message types of Jazzy, from an independent implementation."""
    return get_typestore(Stores.ROS2_JAZZY)


@pytest.fixture(scope='session')
def text_message(typestore: Typestore) -> Callable[[str], bytes]:
    """Serialise a std_msgs/String."""
    def serialise(text: str) -> bytes:
        return bytes(typestore.serialize_cdr(typestore.types[STRING](data=text), STRING))
    return serialise


@pytest.fixture
def metadata() -> EpisodeMetadata:
    """Metadata of an episode that has just begun."""
    return EpisodeMetadata(
        task='put the screwdriver into the cup', robot='interbotix', mode='planning',
        checkpoint='tiny', seed=3, software_version='0.1.0', started_ns=10)


@pytest.fixture
def begin(tmp_path: Path, metadata: EpisodeMetadata) -> Callable[..., EpisodeWriter]:
    """Begin an episode in the temporary folder."""
    def begin_episode(**options: str) -> EpisodeWriter:
        return EpisodeWriter(tmp_path, metadata, **options)
    return begin_episode


@pytest.fixture
def recorded(
    begin: Callable[..., EpisodeWriter], text_message: Callable[[str], bytes],
) -> Path:
    """Record 100 messages on two topics, every 20 ms, the second topic every fourth time."""
    writer = begin()
    for name in ('/often', '/seldom', '/never'):
        writer.add_topic(Topic(name=name, type_name=STRING))
    for index in range(100):
        log_time_ns = 1000 + index * PERIOD_NS
        writer.write('/seldom' if index % 4 == 0 else '/often', text_message(f'text {index}'),
                     log_time_ns=log_time_ns, publish_time_ns=log_time_ns - 7)
    return writer.finish(EpisodeLabel(outcome='success', score=1.0), ended_ns=20)
