# SPDX-License-Identifier: Apache-2.0
"""Episodes set aside are kept, and their names are never given again."""

import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.session_folder import next_name, set_aside


def test_the_name_of_an_episode_set_aside_is_not_given_again(tmp_path):
    for name in ('episode_000000', 'episode_000001'):
        (tmp_path / name).mkdir()
    moved = set_aside(tmp_path / 'episode_000001')
    assert moved.is_dir() and not (tmp_path / 'episode_000001').exists()
    assert next_name(tmp_path) == 'episode_000002'


def test_a_new_folder_begins_at_zero_and_long_names_sort_by_number(tmp_path):
    assert next_name(tmp_path / 'new') == 'episode_000000'
    (tmp_path / 'episode_999999').mkdir()
    (tmp_path / 'set_aside' / 'episode_1000000').mkdir(parents=True)
    assert next_name(tmp_path) == 'episode_1000001'


def test_nothing_is_overwritten_and_what_is_not_there_is_refused(tmp_path):
    (tmp_path / 'set_aside' / 'episode_000000').mkdir(parents=True)
    (tmp_path / 'episode_000000').mkdir()
    with pytest.raises(RecordingError, match='exists'):
        set_aside(tmp_path / 'episode_000000')
    with pytest.raises(RecordingError, match='no finished episode'):
        set_aside(tmp_path / 'episode_000007')
    (tmp_path / 'episode_000001.partial').mkdir()
    with pytest.raises(RecordingError, match='no finished episode'):
        set_aside(tmp_path / 'episode_000001.partial')
