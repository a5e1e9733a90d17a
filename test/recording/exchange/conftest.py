# SPDX-License-Identifier: Apache-2.0
"""Synthetic episodes of a whole robot, and their way through a data format and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation.synthetic_episode import (
    link_messages, NAMES, robot_typestore, Shape, write_synthetic_episode)
import numpy as np
import pytest
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.recording.exchange.export_run import EpisodeSource
from cosmos_policy_ros.recording.exchange.import_run import ImportTarget
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import resample, ResampleSettings
from cosmos_policy_ros.recording.step import SteppedEpisode
from cosmos_policy_ros.spec.aloha import ALOHA

SHORT = Shape(duration_s=1.2, image_size=(64, 48), command_lag_s=0.1)
PRESET_NAMES = dict(load_preset('interbotix').names)
assert PRESET_NAMES.items() >= NAMES.items()


@pytest.fixture(scope='session')
def robot_types() -> Typestore:
    """Message types of Jazzy, the Interbotix drivers and this package."""
    return robot_typestore()


@pytest.fixture(scope='session')
def installed_messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installation prefix that holds the message definitions of the source tree."""
    return link_messages(tmp_path_factory.mktemp('prefix'))


@pytest.fixture
def robot_messages(installed_messages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the message definitions of the source tree found."""
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(installed_messages))


@pytest.fixture(scope='session')
def write_episode(robot_types: Typestore, installed_messages: Path) -> Callable[..., Path]:
    """Write a synthetic episode into a folder."""
    def write(directory: Path, shape: Shape = SHORT) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('AMENT_PREFIX_PATH', str(installed_messages))
            return write_synthetic_episode(directory, shape, robot_types)
    return write


@pytest.fixture(scope='session')
def episode(write_episode: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a short synthetic episode that no test may change."""
    return write_episode(tmp_path_factory.mktemp('episodes'))


def steps_of(path: Path, **settings: Any) -> SteppedEpisode:
    """Resample an episode of an Interbotix ALOHA."""
    return resample(EpisodeReader(path), ALOHA, PRESET_NAMES, ResampleSettings(**settings))


def source_of(path: Path) -> EpisodeSource:
    """Name an episode to an export."""
    return EpisodeSource(path=path, robot=ALOHA, names=PRESET_NAMES)


def target_of(output: Path, *, overwrite: bool = False) -> ImportTarget:
    """Name a folder to an import."""
    return ImportTarget(output=output, robot=ALOHA, names=PRESET_NAMES,
                        software_version='0.1.0', overwrite=overwrite)


def check_same(before: SteppedEpisode, after: SteppedEpisode, *, pixel_error: float) -> int:
    """Compare two episodes step by step; return how many steps they have.

    Joints must be equal to float32, gripper commands to the float32 angle on the wire, images to
    a mean error per pixel.
    """
    count = 0
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other.positions, one.positions, rtol=0, atol=2e-7)
        np.testing.assert_allclose(other.action, one.action, rtol=0, atol=2e-7)
        assert set(one.images) == set(other.images)
        for camera, image in one.images.items():
            shown = other.images[camera].pixels
            if shown.shape == image.pixels.shape:
                error = np.abs(shown.astype(int) - image.pixels).mean()
                assert error <= pixel_error, (camera, one.index, error)
        count += 1
    return count
