# SPDX-License-Identifier: Apache-2.0
"""Files of others: what they leave out is asked for, what is wrong in them is named."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import h5py
from hypothesis import given, strategies as st
import numpy as np
import pytest
from recording.exchange.conftest import steps_of, target_of

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import load_metadata
from cosmos_policy_ros.recording.exchange.formats import open_episodes
from cosmos_policy_ros.recording.exchange.exchange_result import ExchangeResult
from cosmos_policy_ros.recording.exchange.import_run import run_import
from cosmos_policy_ros.recording.exchange.importer import ImportOptions
from cosmos_policy_ros.recording.exchange.joint_order import camera_name, joint_indices
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0

RIGHT_FIRST = [*range(7, 14), *range(7)]


def joints(length: int) -> np.ndarray:
    """Return plausible joint vectors, each different."""
    return (np.linspace(0.0, 0.4, length * 14).reshape(length, 14)).astype(np.float32)


@pytest.fixture
def write_aloha(tmp_path: Path) -> Callable[..., Path]:
    """Write an episode as the first ALOHA did: plain arrays, and nothing said about them."""
    def write(name: str = 'episode_0.hdf5', *, length: int = 5, **replaced: Any) -> Path:
        path = tmp_path / 'in' / name
        path.parent.mkdir(exist_ok=True)
        content = {'observations/qpos': joints(length), 'observations/qvel': joints(length),
                   'observations/effort': joints(length), 'action': joints(length) + 0.01,
                   'observations/images/cam_high': np.full((length, 8, 8, 3), 90, np.uint8)}
        with h5py.File(path, 'w') as file:
            file.attrs['sim'] = False
            for key, value in {**content, **replaced}.items():
                if value is not None:
                    file[key] = value
        return path
    return write


def run(path: Path, output: Path, format_name: Any = 'aloha_hdf5',
        **options: Any) -> ExchangeResult:
    """Import a data set."""
    return run_import(
        open_episodes(path, format_name, ImportOptions(**{'task': 'stack', **options})),
        target_of(output))


def test_a_file_that_says_nothing_is_read_as_aloha_wrote_it(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None):
    assert run(write_aloha(), tmp_path / 'out').written == 1
    steps = list(steps_of(tmp_path / 'out/episode_0', rate_hz=50.0))
    np.testing.assert_array_equal([step.positions for step in steps], joints(5))
    np.testing.assert_allclose([step.velocities for step in steps], joints(5), atol=1e-6)
    assert np.diff([step.time_ns for step in steps]).tolist() == [20_000_000] * 4


def test_right_first_data_become_left_first(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None):
    run(write_aloha(), tmp_path / 'out', joint_order='right_first')
    step = next(iter(steps_of(tmp_path / 'out/episode_0', rate_hz=50.0)))
    np.testing.assert_array_equal(step.positions, joints(5)[0][RIGHT_FIRST])


@pytest.mark.parametrize('are_demonstrations, mode, outcome, score', [
    (True, 'teleoperation', 'success', 1.0), (False, 'imported', 'unlabelled', None)])
def test_who_drove_and_how_it_ended_is_told_where_files_do_not_say_it(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None,
        are_demonstrations: bool, mode: str, outcome: str, score: float | None):
    run(write_aloha(), tmp_path / 'out', are_demonstrations=are_demonstrations)
    metadata = load_metadata(tmp_path / 'out/episode_0')
    assert (metadata.mode, metadata.label.outcome, metadata.label.score) == (mode, outcome, score)


@pytest.mark.parametrize('score', [1, np.int64(1), np.float32(0.5), 0.5])
def test_a_score_of_any_type_of_number_is_read(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None, score: Any):
    path = write_aloha()
    with h5py.File(path, 'a') as file:
        file.attrs.update({'success': True, 'success_score': score})
    assert run(path, tmp_path / 'out').written == 1
    assert load_metadata(tmp_path / 'out/episode_0').label.score == float(score)


def test_importing_again_skips_what_is_there(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None):
    for number in range(3):
        write_aloha(f'episode_{number}.hdf5')
    assert run(tmp_path / 'in', tmp_path / 'out').written == 3
    assert run(tmp_path / 'in', tmp_path / 'out').skipped == 3


def test_another_episode_of_the_same_name_is_not_overwritten(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None):
    run(write_aloha(), tmp_path / 'out')
    assert 'of the same name' in run(
        write_aloha(), tmp_path / 'out', task='another').refused['episode_0']


def test_episodes_are_opened_one_after_the_other(
        write_aloha: Callable[..., Path], tmp_path: Path, robot_messages: None):
    write_aloha('episode_0.hdf5')
    write_aloha('episode_1.hdf5', action=None)
    result = run(tmp_path / 'in', tmp_path / 'out')
    assert result.written == 1 and 'episode_1.hdf5' in result.refused['(the rest)']


@pytest.mark.parametrize('replaced, what', [
    ({'action': None}, 'has no dataset /action'),
    ({'observations/qpos': joints(5)[:, :7]}, r'/observations/qpos has shape \(5, 7\)'),
    ({'observations/qpos': joints(4)}, 'lengths differ'),
    ({'action': joints(5) * np.nan}, r'/action\[0, 0\] is nan'),
    ({'observations/images/cam_high': np.zeros((4, 8, 8, 3), np.uint8)}, 'has 4 images'),
    ({'observations/images/cam_high': np.zeros((5, 8, 8, 3), np.float32)}, 'is float32'),
    ({'observations/images/cam_high': np.zeros((5, 8, 8, 4), np.uint8)}, 'of shape'),
    ({'observations/images/cam_high': None}, 'has no images'),
    ({'observations/images/webcam': np.zeros((5, 8, 8, 3), np.uint8)}, "camera is 'webcam'"),
    ({'observations/images/cam_high': np.zeros((5, 30), np.uint8)}, 'neither JPEG nor PNG'),
    ({'observations/qpos': joints(5) + 9.0}, 'step 0: .*implausible'),
    ({'action': np.zeros((0, 14), np.float32)}, r'/action has shape \(0, 14\)'),
])
def test_what_is_wrong_in_a_file_is_named(
        replaced: dict[str, Any], what: str, write_aloha: Callable[..., Path], tmp_path: Path,
        robot_messages: None):
    result = run(write_aloha(**replaced), tmp_path / 'out')
    assert result.written == 0
    [reason] = result.refused.values()
    with pytest.raises(RecordingError, match=what):
        raise RecordingError(reason)
    assert not list((tmp_path / 'out').glob('*')) or not (tmp_path / 'out').exists()


def test_a_file_that_is_cut_off_is_named(
        write_aloha: Callable[..., Path], tmp_path: Path):
    path = write_aloha()
    path.write_bytes(path.read_bytes()[:500])
    [reason] = run(path, tmp_path / 'out').refused.values()
    assert 'cannot read' in reason and 'episode_0.hdf5' in reason


def test_a_rate_that_contradicts_the_file_is_refused(
        write_aloha: Callable[..., Path], tmp_path: Path):
    path = write_aloha()
    with h5py.File(path, 'r+') as file:
        file.attrs['rate_hz'] = 50.0
    [reason] = run(path, tmp_path / 'out', rate_hz=25.0).refused.values()
    assert 'is 50.0 Hz, but 25.0 Hz' in reason


def test_a_file_without_a_task_asks_for_one(write_aloha: Callable[..., Path], tmp_path: Path):
    [reason] = run(write_aloha(), tmp_path / 'out', task='').refused.values()
    assert '--task' in reason


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match='has no episode_'):
        open_episodes(tmp_path, 'aloha_hdf5', ImportOptions())


@given(st.permutations(ALOHA.joint_names))
def test_named_joints_come_into_our_order(names: list[str]):
    assert [names[i] for i in joint_indices(names, 'auto', '')] == list(ALOHA.joint_names)


def test_what_the_user_says_goes_before_wrong_names():
    names = list(ALOHA_2_0.joint_names)
    assert joint_indices(names, 'left_first', '').tolist() == list(range(14))
    assert joint_indices(None, 'right_first', '').tolist() == RIGHT_FIRST


@pytest.mark.parametrize('names', [['left_waist'], [*ALOHA.joint_names[:13], 'tail']])
def test_joints_of_another_robot_are_refused(names: list[str]):
    with pytest.raises(RecordingError, match='meta.*joints are'):
        joint_indices(names, 'auto', 'meta')


def test_cameras_of_the_newer_aloha_get_our_names():
    assert camera_name('camera_wrist_left', '') == 'cam_left_wrist'


@pytest.mark.parametrize('info, what', [
    ({}, 'codebase_version is None'),
    ({'codebase_version': 'v1.6'}, "codebase_version is 'v1.6'"),
    ({'codebase_version': 'v3.0', 'fps': 50, 'features': {}}, 'lack observation.state'),
    ({'codebase_version': 'v3.0', 'fps': 0, 'features': {
        'observation.state': {}, 'action': {}}}, 'fps is 0 Hz'),
])
def test_data_sets_that_cannot_be_read_say_why(
        info: dict[str, Any], what: str, tmp_path: Path):
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta/info.json').write_text(json.dumps(info))
    with pytest.raises(RecordingError, match=what):
        open_episodes(tmp_path, 'lerobot', ImportOptions())
