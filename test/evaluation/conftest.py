# SPDX-License-Identifier: Apache-2.0
"""Synthetic episodes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rosbags.typesys.store import Typestore
from synthetic_episode import (
    begin_recorder, link_messages, NAMES, robot_typestore, Shape, SyntheticRecorder,
    write_synthetic_episode)

from cosmos_policy_ros.evaluation.episode_topics import episode_topics, EpisodeTopics
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='session')
def typestore() -> Typestore:
    """Message types of Jazzy, the Interbotix drivers and this package."""
    return robot_typestore()


@pytest.fixture(scope='session')
def message_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installation prefix that holds the message definitions of the source tree."""
    return link_messages(tmp_path_factory.mktemp('prefix'))


@pytest.fixture(scope='session')
def topics() -> EpisodeTopics:
    """Topics of an Interbotix ALOHA."""
    return episode_topics(ALOHA, NAMES)


@pytest.fixture
def new_recorder(
    tmp_path: Path, typestore: Typestore, message_prefix: Path, monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], SyntheticRecorder]:
    """Begin an empty episode."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(message_prefix))
    return lambda: begin_recorder(tmp_path, 'nothing', typestore)


@pytest.fixture(scope='session')
def write_episode(typestore: Typestore, message_prefix: Path) -> Callable[..., Path]:
    """Write a synthetic episode into a folder."""
    def write(directory: Path, shape: Shape = Shape()) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('AMENT_PREFIX_PATH', str(message_prefix))
            return write_synthetic_episode(directory, shape, typestore)
    return write


@pytest.fixture(scope='session')
def episode(write_episode: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a synthetic episode that no test may change."""
    return write_episode(tmp_path_factory.mktemp('episodes'), Shape())


@pytest.fixture(scope='session')
def reader(episode: Path) -> EpisodeReader:
    """Reader of the synthetic episode."""
    return EpisodeReader(episode)
