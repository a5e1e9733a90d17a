# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy collect` as a user runs it."""

import pytest

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.evaluation.demonstration import draw_misses
from cosmos_policy_ros.recording.episode import load_metadata


def collect(output, *options):
    return main(['collect', '--output', str(output), '--task', 'lift_cube',
                 '--recorded-image-rate-hz', '5', *options])


def names(folder):
    return sorted(path.name for path in folder.glob('episode_*'))


def test_a_second_run_goes_on_and_takes_of_a_scene_follow_one_another(tmp_path):
    takes = ('--takes', '2', '--miss-share', '0.5', '--max-disturbance-rad', '0')
    assert collect(tmp_path, '--episodes', '2', *takes) == 0
    assert names(tmp_path) == ['episode_001000', 'episode_001000_2']
    durations_s = [(metadata.ended_ns - metadata.started_ns) / 1e9 for metadata in (
        load_metadata(tmp_path / name) for name in names(tmp_path))]
    is_longer = bool(draw_misses(1000, 0.5))
    assert (durations_s[0] > durations_s[1] + 1) == is_longer
    assert (durations_s[1] > durations_s[0] + 1) != is_longer
    stamps = {name: (tmp_path / name / 'episode.json').stat().st_mtime_ns
              for name in names(tmp_path)}
    assert collect(tmp_path, '--episodes', '3', *takes) == 0
    assert names(tmp_path) == [*stamps, 'episode_001001']
    assert stamps == {name: (tmp_path / name / 'episode.json').stat().st_mtime_ns
                      for name in stamps}


@pytest.mark.parametrize(('options', 'text'), [
    (('--takes', '0', '--miss-share', '0.5'), 'takes is 0'), (('--robot', 'none'), 'none'),
    (('--takes', '2'), 'takes is 2, and without misses they are all the same'),
    (('--recorded-image-rate-hz', '7'), 'recorded_image_rate_hz is 7')])
def test_impossible_wishes_are_refused_and_nothing_is_made(tmp_path, capsys, options, text):
    assert collect(tmp_path / 'out', *options) == 1
    assert text in ' '.join(capsys.readouterr().err.split())
    assert not (tmp_path / 'out').exists()


def test_a_folder_that_was_begun_with_other_options_is_refused_and_stays_as_it_is(
        tmp_path, capsys):
    assert collect(tmp_path, '--episodes', '1', '--max-disturbance-rad', '0') == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    for options, text in (
            (('--max-disturbance-rad', '0.01'), 'max_disturbance_rad was 0.0, now 0.01'),
            (('--max-disturbance-rad', '0', '--task', 'transfer_cube'),
             "task was 'lift_cube', now 'transfer_cube'")):
        assert collect(tmp_path, '--episodes', '1', *options) == 1
        assert text in ' '.join(capsys.readouterr().err.split())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')} == before
