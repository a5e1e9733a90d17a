# SPDX-License-Identifier: Apache-2.0
"""The commands around episodes as a user types them: export, import, episodes, label, view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import shutil

import av
from evaluation.synthetic_episode import Shape
import numpy as np
import pytest
from recording.exchange.conftest import (  # noqa: F401
    episode, installed_messages, robot_messages, robot_types, SHORT, write_episode)

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.recording.episode import load_metadata
from cosmos_policy_ros.recording.health import Judgement, Verdict


@pytest.fixture
def folder(write_episode: Callable[..., Path], tmp_path: Path) -> Path:  # noqa: F811
    """Folder with two episodes, one of them in a session folder of its own."""
    write_episode(tmp_path / 'episodes', replace(SHORT, duration_s=0.4))
    write_episode(tmp_path / 'episodes/monday', Shape(duration_s=0.4, task='fold the shirt'))
    return tmp_path / 'episodes'


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run a command and return its exit status and what it said, without line breaks."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, ' '.join((captured.out + captured.err).split())


def test_episodes_go_out_and_come_back(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], robot_messages: None):  # noqa: F811,E501
    status, text = run(capsys, 'export', folder, '--format', 'aloha_hdf5', '--output',
                       tmp_path / 'out', '--processes', 1)
    assert (status, '2 exported, 0 there already, 0 refused' in text) == (0, True)
    assert 'times real time' in text
    status, text = run(capsys, 'import', tmp_path / 'out', '--format', 'aloha_hdf5', '--output',
                       tmp_path / 'back')
    assert (status, '2 imported (22 steps)' in text) == (0, True)
    assert load_metadata(tmp_path / 'back/episode_1').task == 'fold the shirt'


def test_an_episode_that_is_refused_is_named_and_shown_by_the_exit_status(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    status, text = run(capsys, 'export', folder, '--format', 'lerobot_v3', '--output',
                       tmp_path / 'out', '--cameras', 'cam_low', '--processes', 1)
    assert status == 1 and "no images of camera 'cam_low'" in text
    assert '0 exported, 0 there already, 2 refused' in text


def test_a_folder_without_episodes_is_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    status, text = run(capsys, 'export', tmp_path, '--format', 'cosmos', '--output',
                       tmp_path / 'out')
    assert status == 1 and '0 finished episodes' in text and not (tmp_path / 'out').exists()


def test_episodes_are_listed_and_added_up(folder: Path, capsys: pytest.CaptureFixture[str]):
    status, text = run(capsys, 'episodes', folder)
    assert status == 0 and 'monday/episode_000000' in text
    assert '2 episodes' in text and 'success 2' in text and 'not judged 2' in text


@pytest.mark.parametrize('options, count', [
    (('--task', 'SHIRT'), 1), (('--task', 'dance'), 0), (('--outcome', 'success'), 2),
    (('--outcome', 'failure'), 0), (('--verdict', 'good'), 0), (('--mode', 'direct'), 2),
    (('--since', '2023-11-01', '--until', '2023-11-30'), 2), (('--since', '2024-01-01'), 0)])
def test_filters_leave_out_what_does_not_match(
        options: tuple[str, ...], count: int, folder: Path, capsys: pytest.CaptureFixture[str]):
    _, text = run(capsys, 'episodes', folder, *options)
    assert (f'{count} of 2 episodes' if count != 2 else '2 episodes,') in text


def test_a_day_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    status, text = run(capsys, 'episodes', folder, '--since', 'yesterday')
    assert status == 1 and "--since is 'yesterday'" in text


def test_the_verdict_is_shown(
        folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    (folder / 'episode_000000/health.json').write_text('{}')
    status, text = run(capsys, 'episodes', folder)
    assert status == 1 and 'health report' in text
    monkeypatch.setattr('cosmos_policy_ros.recording.episode_list.load_judgement',
                        lambda path: Judgement(verdict=Verdict.BAD, reasons=('gap',)))
    status, text = run(capsys, 'episodes', folder, '--verdict', 'bad')
    assert status == 0 and '1 of 2 episodes' in text


def test_a_label_is_changed_and_the_messages_are_not(
        folder: Path, capsys: pytest.CaptureFixture[str]):
    path = folder / 'episode_000000'
    [messages] = path.glob('*.mcap')
    before = messages.read_bytes()
    status, _ = run(capsys, 'label', path, '--outcome', 'partial', '--score', 0.5, '--note', 'ok')
    label = load_metadata(path).label
    assert (status, label.outcome.value, label.score, label.note) == (0, 'partial', 0.5, 'ok')
    assert messages.read_bytes() == before
    run(capsys, 'label', path, '--outcome', 'failure')
    label = load_metadata(path).label
    assert (label.outcome.value, label.score, label.note) == ('failure', 0.0, 'ok')


@pytest.mark.parametrize('score', [-0.1, 1.5, float('nan')])
def test_an_impossible_score_is_refused(
        score: float, folder: Path, capsys: pytest.CaptureFixture[str]):
    status, text = run(capsys, 'label', folder / 'episode_000000', '--outcome', 'partial',
                       '--score', score)
    assert status == 1 and 'allowed is 0 to 1' in text


def test_the_view_has_the_length_of_the_episode_and_a_cursor_that_moves(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / 'view.mp4'
    status, _ = run(capsys, 'view', folder / 'episode_000000', '--output', output)
    assert status == 0
    with av.open(str(output)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == 7
    plots = [frame[-520:].astype(int) for frame in frames]
    changed = [np.abs(plot - plots[0]).max(axis=(0, 2)) > 100 for plot in plots[1:]]
    ends = [int(np.flatnonzero(columns)[-1]) for columns in changed]
    assert ends == sorted(ends) and ends[-1] > ends[0] + 60


def test_a_video_that_exists_is_not_overwritten(
        folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / 'view.mp4'
    output.write_text('mine')
    status, text = run(capsys, 'view', folder / 'episode_000000', '--output', output)
    assert status == 1 and '--overwrite' in text and output.read_text() == 'mine'


def test_rerun_gets_a_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip('rerun')
    output = tmp_path / 'view.rrd'
    status, _ = run(capsys, 'view', folder / 'episode_000000', '--rerun', '--output', output)
    assert status == 0 and output.read_bytes().startswith(b'RRF')


def test_a_folder_that_is_no_episode_is_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(Path(__file__).parent, tmp_path / 'cli')
    for command in (('view', tmp_path / 'cli'), ('label', tmp_path / 'cli', '--outcome',
                                                 'success')):
        status, text = run(capsys, *command)
        assert status == 1 and 'error' in text
