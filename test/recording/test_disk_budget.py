# SPDX-License-Identifier: Apache-2.0
"""Room for an episode: estimated first, measured later, refused when too little."""

import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.disk_budget import DiskBudget, MARGIN, OPEN_END_S


def test_the_first_episode_is_estimated_and_the_next_measured():
    budget = DiskBudget()
    assert budget.needed_bytes(10.0, estimated_rate=5.0) == 50
    budget.learn(1000, 10.0)
    assert budget.needed_bytes(10.0, estimated_rate=5.0) == 1000 * MARGIN


def test_an_episode_without_an_end_is_given_room_for_a_while():
    assert DiskBudget().needed_bytes(0.0, estimated_rate=2.0) == 2 * OPEN_END_S


def test_an_empty_episode_teaches_nothing():
    budget = DiskBudget()
    budget.learn(0, 10.0)
    budget.learn(10, 0.0)
    assert budget.needed_bytes(1.0, estimated_rate=7.0) == 7


def test_what_does_not_fit_is_refused_with_all_three_figures():
    with pytest.raises(RecordingError, match=r'has 3\.0 GB free.*2\.0 GB.*2\.0 GB'):
        DiskBudget().require('/data', free_bytes=3 * 10**9, kept_bytes=2 * 10**9,
                             needed_bytes=2 * 10**9)
    DiskBudget().require('/data', free_bytes=4 * 10**9, kept_bytes=2 * 10**9,
                         needed_bytes=2 * 10**9)
