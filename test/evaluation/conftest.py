# SPDX-License-Identifier: Apache-2.0
"""Synthetic episodes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore
from synthetic_episode import (
    begin_recorder, MESSAGE_FOLDERS, NAMES, Shape, SyntheticRecorder, write_synthetic_episode)

from cosmos_policy_ros.evaluation.episode_topics import episode_topics, EpisodeTopics
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.aloha import ALOHA


@pytest.fixture(scope='session')
def typestore() -> Typestore:
    """Message types of Jazzy, the Interbotix drivers and this package."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for package, folder in MESSAGE_FOLDERS.items():
        types: dict[str, Any] = {}
        for path in folder.glob('*.msg'):
            types |= get_types_from_msg(path.read_text(), f'{package}/msg/{path.stem}')
        store.register(types)
    return store


@pytest.fixture(scope='session')
def message_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installation prefix that holds the message definitions of the source tree."""
    prefix = tmp_path_factory.mktemp('prefix')
    for package, folder in MESSAGE_FOLDERS.items():
        (prefix / 'share' / package).mkdir(parents=True)
        (prefix / 'share' / package / 'msg').symlink_to(folder)
    return prefix


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
