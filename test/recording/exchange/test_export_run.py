# SPDX-License-Identifier: Apache-2.0
"""Exports are complete or absent, resumable, and overwrite nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import json
import os
from pathlib import Path
import shutil

import h5py
import numpy as np
import pytest
from recording.exchange.conftest import SHORT, source_of, steps_of

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, relabel
from cosmos_policy_ros.recording.exchange.aloha_export import AlohaExporter
from cosmos_policy_ros.recording.exchange.cosmos_export import (
    CosmosExporter, CosmosRolloutExporter)
from cosmos_policy_ros.recording.exchange.exchange_result import ExchangeResult
from cosmos_policy_ros.recording.exchange.export_run import run_export
from cosmos_policy_ros.recording.exchange.lerobot_export import LeRobotExporter
from cosmos_policy_ros.recording.exchange.staging import STAGING
from cosmos_policy_ros.recording.resample import ResampleSettings

EXPORTER = CosmosRolloutExporter()


@pytest.fixture(scope='module')
def two(write_episode: Callable[..., Path],
        tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two episodes of different tasks."""
    folder = tmp_path_factory.mktemp('two')
    shape = replace(SHORT, duration_s=0.4)
    return [write_episode(folder, shape), write_episode(folder, replace(shape, task='fold it'))]


def export(paths: list[Path], output: Path, exporter: object = EXPORTER,
           **options: object) -> ExchangeResult:
    """Export episodes one after the other."""
    return run_export([source_of(path) for path in paths], output, exporter,
                      ResampleSettings(), **options)


def content(output: Path) -> dict[str, int]:
    """Return each file of an export with the time at which it was written."""
    return {str(path.relative_to(output)): path.stat().st_mtime_ns
            for path in output.rglob('*') if path.is_file()}


def test_a_finished_export_is_not_touched_again(two: list[Path], tmp_path: Path):
    assert export(two, tmp_path).written == 2
    before = content(tmp_path)
    result = export(two, tmp_path)
    assert (result.written, result.skipped, result.refused) == (0, 2, {})
    assert content(tmp_path) == before


@pytest.mark.parametrize('exporter', [AlohaExporter(), CosmosExporter(), LeRobotExporter()],
                         ids=lambda exporter: exporter.format_name)
def test_an_export_grows(exporter: object, two: list[Path], tmp_path: Path):
    export(two[:1], tmp_path, exporter)
    result = export(two, tmp_path, exporter)
    assert (result.written, result.skipped) == (1, 1)
    assert len(json.loads((tmp_path / 'export.json').read_text())['episodes']) == 2
    assert not (tmp_path / STAGING).exists()


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_interrupted_export_goes_on(
        two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def killed(self: object, *arguments: object) -> None:
        raise Killed
    with monkeypatch.context() as patch:
        patch.setattr(CosmosRolloutExporter, 'place', killed)
        with pytest.raises(Killed):
            export(two, tmp_path)
    assert not list(tmp_path.glob('*.hdf5'))
    result = export(two, tmp_path)
    assert (result.written, result.skipped) == (1, 1)
    assert sorted(path.name for path in tmp_path.glob('*.hdf5')) == [
        'episode_0.hdf5', 'episode_1.hdf5']


def test_an_episode_that_was_cut_off_is_written_anew(
        two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cut_off(self: object, *arguments: object) -> None:
        raise Killed
    with monkeypatch.context() as patch:
        patch.setattr('cosmos_policy_ros.recording.exchange.cosmos_export.save_attributes',
                      cut_off)
        with pytest.raises(Killed):
            export(two, tmp_path)
    assert list((tmp_path / STAGING).glob('*.draft/*.hdf5'))
    assert export(two, tmp_path).written == 2


def test_a_refused_episode_does_not_stop_the_others(
        two: list[Path], write_episode: Callable[..., Path], tmp_path: Path):
    gappy = write_episode(tmp_path / 'in', replace(SHORT, duration_s=2.0, gap_s=(0.5, 1.5)))
    result = export([two[0], gappy, two[1]], tmp_path / 'out')
    assert (result.written, list(result.refused)) == (2, [str(gappy)])
    assert 'has nothing from' in result.refused[str(gappy)]
    assert (tmp_path / 'out/episode_1.hdf5').exists()


def test_several_processes_write_what_one_does(two: list[Path], tmp_path: Path):
    steps = []
    export(two, tmp_path / 'one')
    export(two, tmp_path / 'many', processes=2, on_progress=steps.append)
    for name in ('episode_0.hdf5', 'episode_1.hdf5'):
        with h5py.File(tmp_path / 'one' / name) as one, h5py.File(
                tmp_path / 'many' / name) as many:
            np.testing.assert_array_equal(one['action'][()], many['action'][()])
            assert dict(one.attrs)['task_description'] == many.attrs['task_description']
    assert steps[-1] == 22


def test_a_relabelled_episode_is_named(two: list[Path], tmp_path: Path):
    copy = Path(shutil.copytree(two[0], tmp_path / 'episode'))
    export([copy], tmp_path / 'out')
    relabel(copy, EpisodeLabel(outcome='failure'))
    assert 'changed since' in export([copy], tmp_path / 'out').refused[str(copy)]
    assert export([copy], tmp_path / 'out', overwrite=True).written == 1
    with h5py.File(tmp_path / 'out/episode_0.hdf5') as file:
        assert not file.attrs['success']


def test_a_folder_with_other_things_is_refused_even_with_overwrite(
        two: list[Path], tmp_path: Path):
    (tmp_path / 'thesis.txt').write_text('ten years of work')
    for overwrite in (False, True):
        with pytest.raises(RecordingError, match=r'is not empty and has no export.json'):
            export(two, tmp_path, overwrite=overwrite)
    assert (tmp_path / 'thesis.txt').read_text() == 'ten years of work'


def test_recordings_inside_the_output_folder_are_never_deleted(two: list[Path], tmp_path: Path):
    export(two, tmp_path / 'data')
    inside = Path(shutil.copytree(two[0], tmp_path / 'data/raw/episode'))
    with pytest.raises(RecordingError, match='lies in the output folder'):
        export([inside], tmp_path / 'data', overwrite=True)
    assert any(inside.glob('*.mcap')) and (tmp_path / 'data/episode_1.hdf5').exists()


@pytest.mark.parametrize('exporter, outcome, word', [
    (CosmosExporter(), 'failure', 'labelled failure'),
    (CosmosExporter(), 'partial', 'labelled partial'),
    (CosmosRolloutExporter(), 'unlabelled', 'unlabelled without a score'),
    (CosmosRolloutExporter(), 'partial', 'partial without a score')])
def test_what_readers_would_take_for_another_outcome_is_refused(
        two: list[Path], tmp_path: Path, exporter: object, outcome: str, word: str):
    copy = Path(shutil.copytree(two[0], tmp_path / 'episode'))
    relabel(copy, EpisodeLabel(outcome=outcome))
    result = export([copy], tmp_path / 'out', exporter)
    assert result.written == 0 and word in result.refused[str(copy)]


def test_a_part_that_nobody_scored_is_not_exported_as_nothing(two: list[Path], tmp_path: Path):
    copy = Path(shutil.copytree(two[0], tmp_path / 'episode'))
    relabel(copy, EpisodeLabel(outcome='partial'))
    assert export([copy], tmp_path / 'out', AlohaExporter()).written == 1
    with h5py.File(tmp_path / 'out/episode_0.hdf5') as file:
        assert 'success_score' not in file.attrs and file.attrs['outcome'] == 'partial'


def test_other_settings_are_named(two: list[Path], tmp_path: Path):
    export(two[:1], tmp_path)
    with pytest.raises(RecordingError, match=r"images 'jpeg', now it is 'mp4'"):
        export(two, tmp_path, CosmosRolloutExporter(images='mp4'))
    with pytest.raises(RecordingError, match="format 'cosmos_rollout', now"):
        export(two, tmp_path, AlohaExporter())


def test_a_name_that_is_taken_is_refused(two: list[Path], tmp_path: Path):
    export(two[:1], tmp_path)
    (tmp_path / 'episode_1.hdf5').write_text('mine')
    assert 'not overwritten' in export(two, tmp_path).refused[str(two[1])]
    assert (tmp_path / 'episode_1.hdf5').read_text() == 'mine'


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written to."""
    folder = tmp_path / 'read_only'
    folder.mkdir()
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_read_only_folder_is_named(two: list[Path], read_only: Path):
    with pytest.raises(RecordingError, match='read_only'):
        export(two, read_only / 'out')


def test_a_file_in_place_of_the_folder_is_named(two: list[Path], tmp_path: Path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(RecordingError, match='cannot use .*out'):
        export(two, tmp_path / 'out')


def test_damaged_episodes_are_named(two: list[Path], tmp_path: Path):
    copy = Path(shutil.copytree(two[0], tmp_path / 'cut'))
    [file] = copy.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-200])
    assert 'is cut off' in export([copy], tmp_path / 'out').refused[str(copy)]


def test_episodes_with_other_cameras_are_refused_in_one_data_set(
        two: list[Path], tmp_path: Path):
    export(two[:1], tmp_path, LeRobotExporter())
    ledger = json.loads((tmp_path / 'export.json').read_text())
    ledger['episodes'][0]['facts']['cameras'] = {'cam_high': [480, 640]}
    (tmp_path / 'export.json').write_text(json.dumps(ledger))
    refused = export(two, tmp_path, LeRobotExporter()).refused
    assert 'see --cameras' in refused[str(two[1])]


def test_plain_readers_find_the_aloha_layout(two: list[Path], tmp_path: Path):
    import cv2
    export(two, tmp_path, AlohaExporter())
    steps = list(steps_of(two[0]))
    with h5py.File(tmp_path / 'episode_0.hdf5') as file:
        assert (file.attrs['sim'], file.attrs['compress']) == (False, True)
        shape = (len(steps), 14)
        assert [file[name].shape for name in (
            'observations/qpos', 'observations/qvel', 'observations/effort', 'action')
        ] == [shape] * 4
        assert file['action'].dtype == np.float32
        rows = file['observations/images/cam_high']
        assert rows.chunks == (1, rows.shape[1]) and file['compress_len'].shape == (3, len(steps))
        for row, step in zip(rows, steps):
            # As readers of this layout do: what OpenCV decodes is taken for RGB.
            shown = cv2.imdecode(row, cv2.IMREAD_COLOR)
            error = np.abs(shown.astype(int) - step.images['cam_high'].pixels).mean()
            assert error < 3.0


def test_plain_readers_find_the_cosmos_layout(two: list[Path], tmp_path: Path):
    import cv2
    export(two, tmp_path, CosmosExporter(val_every=2))
    folder = tmp_path / 'put_the_red_cube_into_the_cup/train'
    with h5py.File(folder / 'episode_0.hdf5') as file:
        action, relative = file['action'][()], file['relative_action'][()]
        np.testing.assert_array_equal(relative[:-1], np.diff(action, axis=0))
        np.testing.assert_array_equal(relative[-1], relative[-2])
        video = cv2.VideoCapture(
            str(folder / file['observations/video_paths/cam_high'].asstr()[()]))
    frames = 0
    while (frame := video.read())[0]:
        assert frame[1].shape == (256, 256, 3)
        frames += 1
    assert frames == len(action) == 11
    assert (tmp_path / 'fold_it/val/episode_1.hdf5').exists()


def test_plain_readers_find_the_rollout_layout(two: list[Path], tmp_path: Path):
    import cv2
    export(two, tmp_path)
    with h5py.File(tmp_path / 'episode_0.hdf5') as file:
        assert file.attrs['task_description'] == 'put the red cube into the cup'
        assert file.attrs['success'] and file.attrs['success_score'] == 1.0
        for name in ('primary_images_jpeg', 'wrist_left_images_jpeg', 'wrist_right_images_jpeg'):
            assert len(file[name]) == len(file['action'])
            shown = cv2.imdecode(file[name][3], cv2.IMREAD_COLOR)[..., ::-1]
            assert shown.shape == (48, 64, 3)
            # The square of the synthetic camera is bright, its red channel counts time.
            assert shown[..., 0].mean() < 20 < shown[..., 1].mean()
