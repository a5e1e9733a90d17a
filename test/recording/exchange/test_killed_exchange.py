# SPDX-License-Identifier: Apache-2.0
"""Exports and imports whose process is killed: the same command again finishes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import psutil
import pytest
from recording.exchange.conftest import SHORT, source_of, steps_of, target_of

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.exchange.aloha_export import AlohaExporter
from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.formats import open_episodes
from cosmos_policy_ros.recording.exchange.import_run import run_import
from cosmos_policy_ros.recording.exchange.importer import ImportOptions
from cosmos_policy_ros.recording.exchange.staging import alone, STAGING
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import ResampleSettings
from cosmos_policy_ros.recording.writer import EpisodeWriter

TIMEOUT_S = 300.0
EPISODES = 6


@pytest.fixture(scope='module')
def episodes(write_episode: Callable[..., Path],
             tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Some episodes, copies of one."""
    folder = tmp_path_factory.mktemp('many')
    first = write_episode(folder, replace(SHORT, duration_s=3.0, image_size=(160, 120)))
    return [first, *(Path(shutil.copytree(first, folder / f'copy_{number}'))
                     for number in range(1, EPISODES))]


@pytest.fixture(scope='module')
def exported(episodes: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the episodes, made without a disturbance."""
    folder = tmp_path_factory.mktemp('exported')
    result = run_export([source_of(path) for path in episodes], folder, AlohaExporter(),
                        ResampleSettings())
    assert result.written == EPISODES
    return folder


@contextmanager
def killed_when(is_time: Callable[[], bool], *arguments: object) -> Iterator[None]:
    """Run a command and kill its process once something holds, which it then still does."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'cosmos_policy_ros.cli.main', *map(str, arguments)],
        stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while True:
            assert process.poll() is None and time.monotonic() < deadline, 'ended before the kill'
            if is_time():
                watched.suspend()
                if is_time():
                    break
                watched.resume()
            time.sleep(0.005)
        workers = watched.children(recursive=True)
    finally:
        process.kill()
    assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    assert not psutil.wait_procs(workers, TIMEOUT_S)[1]
    yield


def test_an_import_that_is_killed_is_finished_by_the_same_command(
        episodes: list[Path], exported: Path, tmp_path: Path, robot_messages: None):
    command = ('import', exported, '--format', 'aloha_hdf5', '--output', tmp_path)
    with killed_when(lambda: (tmp_path / 'episode_0').exists() and any(
            tmp_path.glob('*.partial/*.mcap')), *command):
        [_] = tmp_path.glob('*.partial')
        before = {path: EpisodeReader(path).metadata for path in tmp_path.iterdir()
                  if path.suffix != '.partial'}
    assert len(before) < EPISODES
    assert main([str(part) for part in command]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f'episode_{number}' for number in range(EPISODES)]
    steps = len(list(steps_of(episodes[0])))
    assert [len(list(steps_of(path))) for path in tmp_path.iterdir()] == [steps] * EPISODES
    assert {path: EpisodeReader(path).metadata for path in before} == before


def test_an_import_that_begins_is_not_confused_by_what_a_moment_of_it_left(
        exported: Path, tmp_path: Path, robot_messages: None):
    (tmp_path / 'episode_0.partial').mkdir()
    result = run_import(open_episodes(exported / 'episode_0.hdf5', 'aloha_hdf5', ImportOptions()),
                        target_of(tmp_path))
    assert (result.written, result.refused) == (1, {})


def test_an_interrupted_recording_is_no_import_and_stays(
        exported: Path, tmp_path: Path, metadata: EpisodeMetadata, robot_messages: None):
    EpisodeWriter(tmp_path, metadata, name='episode_0').flush()
    result = run_import(open_episodes(exported / 'episode_0.hdf5', 'aloha_hdf5', ImportOptions()),
                        target_of(tmp_path))
    assert 'is another recording' in result.refused['episode_0']
    assert any(tmp_path.glob('episode_0.partial/*.mcap'))


def test_an_import_that_still_runs_is_not_taken_for_an_interrupted_one(
        exported: Path, tmp_path: Path, robot_messages: None):
    def begin() -> Iterator[object]:
        return open_episodes(exported / 'episode_0.hdf5', 'aloha_hdf5', ImportOptions())

    def import_again(name: str, steps: int) -> None:
        if steps == 1:
            refused.update(run_import(begin(), target_of(tmp_path)).refused)

    refused: dict[str, str] = {}
    assert run_import(begin(), target_of(tmp_path), on_progress=import_again).written == 1
    assert 'at this moment' in refused['episode_0']


def test_what_is_overwritten_stays_until_its_successor_is_complete(
        exported: Path, tmp_path: Path, robot_messages: None):
    file = tmp_path / 'in/episode_0.hdf5'
    file.parent.mkdir()
    shutil.copyfile(exported / file.name, file)

    def run(overwrite: bool) -> dict[str, str]:
        return run_import(open_episodes(file, 'aloha_hdf5', ImportOptions()),
                          target_of(tmp_path / 'out', overwrite=overwrite)).refused

    assert not run(overwrite=False)
    before = EpisodeReader(tmp_path / 'out/episode_0').topics
    with h5py.File(file, 'r+') as data:
        data['observations/images/cam_high'][20] = 0
    assert run(overwrite=True)
    assert EpisodeReader(tmp_path / 'out/episode_0').topics == before
    shutil.copyfile(exported / 'episode_1.hdf5', file)
    assert not run(overwrite=True)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['episode_0']


def test_an_export_that_is_killed_ends_its_workers_and_is_finished_by_the_same_command(
        episodes: list[Path], exported: Path, tmp_path: Path):
    command = ('export', episodes[0].parent, '--format', 'aloha_hdf5', '--output', tmp_path,
               '--processes')

    def is_between() -> bool:
        return ((tmp_path / 'episode_1.hdf5').exists()
                and any(tmp_path.glob(f'{STAGING}/*.draft/*.hdf5')))

    with killed_when(is_between, *command, 2):
        assert not (tmp_path / f'episode_{EPISODES - 1}.hdf5').exists()
    assert main([*map(str, command), '1']) == 0
    assert not (tmp_path / STAGING).exists()
    for file in sorted(exported.glob('*.hdf5')):
        with h5py.File(file) as whole, h5py.File(tmp_path / file.name) as resumed:
            for name in ('action', 'observations/qpos', 'observations/images/cam_high'):
                np.testing.assert_array_equal(whole[name][()], resumed[name][()])


def test_two_exports_into_one_folder_are_refused(episodes: list[Path], tmp_path: Path):
    sources = [source_of(episodes[0])]
    run_export(sources, tmp_path, AlohaExporter(), ResampleSettings())
    with alone(tmp_path):
        for overwrite in (False, True):
            with pytest.raises(RecordingError, match='another export is writing'):
                run_export(sources, tmp_path, AlohaExporter(), ResampleSettings(),
                           overwrite=overwrite)
    assert (tmp_path / 'episode_0.hdf5').exists()
