# SPDX-License-Identifier: Apache-2.0
"""From folders of episodes to what a run learns from."""

from dataclasses import replace

import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, save_metadata
from cosmos_policy_ros.training.labelled_data import (
    data_identity, find_sources, prepare_sources, split_validation)
from cosmos_policy_ros.training.prepared_episode import View


@pytest.fixture
def view(small_config):
    """How the small model looks."""
    return View.of(small_config)


def write(folder, *, content=b'', mode='scripted', seed=None, **label):
    """Write an episode that nobody can read, but everybody can tell from others."""
    folder.mkdir(parents=True)
    (folder / 'episode.mcap').write_bytes(content or folder.name.encode())
    save_metadata(folder, EpisodeMetadata(
        task='t', robot='interbotix', mode=mode, seed=seed, software_version='1',
        started_ns=0, label=EpisodeLabel(**(label or {'outcome': 'success'}))))


def open_nothing(path, view):
    """Fail as a damaged recording does."""
    raise RecordingError(f'{path} is damaged')


def test_a_score_counts_before_the_outcome(tmp_path, view):
    write(tmp_path / 'a', outcome='success')
    write(tmp_path / 'b', outcome='failure')
    write(tmp_path / 'c', outcome='partial', score=0.4)
    assert [source.score for source in find_sources([tmp_path], view)] == [1.0, 0.0, 0.4]


@pytest.mark.parametrize('label', [{'outcome': 'unlabelled'}, {'outcome': 'partial'}])
def test_an_episode_without_a_judgement_is_refused(tmp_path, view, label):
    write(tmp_path / 'a', **label)
    with pytest.raises(RecordingError, match='label it'):
        find_sources([tmp_path], view)


def test_the_same_recording_twice_is_refused(tmp_path, view):
    write(tmp_path / 'a', content=b'same')
    write(tmp_path / 'b', content=b'same')
    with pytest.raises(RecordingError, match='same recording'):
        find_sources([tmp_path], view)


def test_the_data_change_with_a_label_and_not_with_the_order(tmp_path, view):
    write(tmp_path / 'a')
    write(tmp_path / 'b')
    sources = find_sources([tmp_path], view)
    assert data_identity(sources) == data_identity(sources[::-1])
    assert data_identity([sources[0], replace(sources[1], score=0.5)]) != data_identity(sources)


def test_an_episode_stays_on_its_side_when_others_come(tmp_path, view):
    for i in range(40):
        write(tmp_path / f'e{i}')
    sources = find_sources([tmp_path], view)
    learned, held_out = split_validation(sources, 0.3)
    assert len(learned) + len(held_out) == 40 and 4 < len(held_out) < 22
    again = split_validation(sources[:20], 0.3)[1]
    assert again == [source for source in held_out if source in sources[:20]]


def test_takes_of_a_scene_are_on_one_side(tmp_path, view):
    for seed in range(30):
        write(tmp_path / f'e{seed}', seed=seed)
        write(tmp_path / f'e{seed}_2', seed=seed)
    learned, held_out = split_validation(find_sources([tmp_path], view), 0.3)
    seeds = [{source.metadata.seed for source in side} for side in (learned, held_out)]
    assert all(seeds) and not seeds[0] & seeds[1]


def test_seeds_of_other_than_scripted_episodes_are_no_scenes(tmp_path, view):
    for number in range(30):
        write(tmp_path / f'e{number}', mode='teleoperation', seed=0)
    assert all(split_validation(find_sources([tmp_path], view), 0.3))


def test_only_successful_demonstrations_are_set_aside(tmp_path, view):
    write(tmp_path / 'failure', outcome='failure')
    write(tmp_path / 'rollout', mode='direct')
    write(tmp_path / 'demonstration')
    sources = find_sources([tmp_path], view)
    assert [source.path.name for source in sources] == ['demonstration', 'failure', 'rollout']
    assert split_validation(sources, 1.0) == (sources[1:], sources[:1])


def test_a_damaged_recording_ends_the_preparation(tmp_path, view):
    write(tmp_path / 'data' / 'a')
    sources = find_sources([tmp_path / 'data'], view)
    with pytest.raises(RecordingError, match='damaged'):
        list(prepare_sources(sources, tmp_path / 'cache', view, open_nothing, workers=1))
