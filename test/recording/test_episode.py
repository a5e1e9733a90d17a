# SPDX-License-Identifier: Apache-2.0
"""Metadata and labels survive the disk, and nothing else gets there."""

import json
import math
from pathlib import Path

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import (
    EpisodeLabel, EpisodeMetadata, load_metadata, Outcome, relabel, save_metadata)


@given(outcome=st.sampled_from(Outcome), score=st.none() | st.floats(0, 1), note=st.text(
    st.characters(exclude_categories=['Cs'])))
def test_any_label_survives_the_disk(tmp_path_factory, outcome, score, note):
    label = EpisodeLabel(outcome=outcome, score=score, note=note)
    metadata = EpisodeMetadata(
        task=note, robot='interbotix', mode='direct', software_version='1', started_ns=0,
        ended_ns=2**62, label=label, message_counts={'/a': 3})
    directory = tmp_path_factory.mktemp('episode')
    save_metadata(directory, metadata)
    assert load_metadata(directory) == metadata


@pytest.mark.parametrize('label', [
    {'outcome': 'good'}, {'score': math.nan}, {'score': 1.01}, {'score': -0.1},
    {'score': True}, {'score': '1'}, {'note': 3}])
def test_label_that_means_nothing_is_refused(label):
    with pytest.raises(RecordingError):
        EpisodeLabel(**label)


def test_relabel_changes_the_label_and_no_other_file(recorded: Path):
    before = {path.name: path.read_bytes() for path in recorded.iterdir()}
    metadata = relabel(recorded, EpisodeLabel(outcome='failure', note='dropped it'))
    after = {path.name: path.read_bytes() for path in recorded.iterdir()}
    assert metadata.label.outcome is Outcome.FAILURE
    assert load_metadata(recorded) == metadata
    assert {name for name in after if after[name] != before.get(name)} == {'episode.json'}
    assert before.keys() == after.keys()


def test_an_episode_that_is_not_finished_is_not_relabelled(recorded: Path):
    running = recorded.rename(recorded.with_name(f'{recorded.name}.partial'))
    with pytest.raises(RecordingError, match='recover it'):
        relabel(running, EpisodeLabel(outcome='success'))


def test_relabel_of_a_folder_without_episode_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError, match='episode.json'):
        relabel(tmp_path, EpisodeLabel(outcome='failure'))


@pytest.mark.parametrize('change', [
    {'format_version': 2}, {'outcome': 'good'}, {'score': 7}, {'colour': 'red'},
    {'message_counts': 3}])
def test_foreign_metadata_is_refused_with_its_path(recorded: Path, change):
    path = recorded / 'episode.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecordingError, match='episode.json'):
        load_metadata(recorded)


@pytest.mark.parametrize('text', ['', '[]', '{"format_version": 1}', '{"outcome"'])
def test_damaged_metadata_is_refused_with_its_path(recorded: Path, text):
    (recorded / 'episode.json').write_text(text)
    with pytest.raises(RecordingError, match='episode.json'):
        load_metadata(recorded)
