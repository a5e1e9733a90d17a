# SPDX-License-Identifier: Apache-2.0
"""Statistics: normalisation laws, and files that are refused."""

import json

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.spec.statistics import (
    Bounds, DatasetStatistics, load_statistics, save_statistics)

BOUNDS = Bounds(name='actions', lower=[-1.0, 0.0, 5.0], upper=[1.0, 0.5, 9.0])
VECTORS = arrays.arrays(np.float64, 3, elements=strategies.floats(-100, 100))


@given(VECTORS)
def test_unnormalise_undoes_normalise(value):
    np.testing.assert_allclose(
        BOUNDS.unnormalise(BOUNDS.normalise(value)), value, atol=1e-9)


def test_bounds_map_to_minus_one_and_one_and_nothing_is_clipped():
    np.testing.assert_allclose(BOUNDS.normalise(BOUNDS.lower), -1.0)
    np.testing.assert_allclose(BOUNDS.normalise(BOUNDS.upper), 1.0)
    assert BOUNDS.normalise([3.0, 0.0, 5.0])[0] == 3.0


def content(**changes):
    """Return a valid file's content with changes."""
    return {'actions_min': [0.0, -1.0], 'actions_max': [1.0, 1.0], 'proprio_min': [0.0],
            'proprio_max': [2.0], **changes}


def load(tmp_path, text):
    """Write a file and load it."""
    path = tmp_path / 'statistics.json'
    path.write_text(text)
    return load_statistics(path, action_size=2, proprio_size=1)


def test_a_file_survives_the_round_trip(tmp_path):
    statistics = load(tmp_path, json.dumps(content(actions_mean=[0.5, 0.0])))
    assert isinstance(statistics, DatasetStatistics)
    save_statistics(tmp_path / 'again.json', statistics)
    again = load_statistics(tmp_path / 'again.json', action_size=2, proprio_size=1)
    np.testing.assert_array_equal(again.actions.upper, [1.0, 1.0])


@pytest.mark.parametrize(('changes', 'message'), [
    ({'actions_min': [0.0]}, 'actions_min has 1 values; expected a list of 2'),
    ({'actions_max': [0.0, 1.0]}, 'dimension 0 has min 0.0 and max 0.0'),
    ({'actions_max': [1.0, float('nan')]}, 'not finite'),
    ({'proprio_max': 'high'}, "proprio_max has 'high'"),
    ({'proprio_max': [[1.0]]}, 'shape'),
    ({'proprio_min': None}, 'proprio_min has None')])
def test_statistics_that_cannot_be_used_are_refused_naming_file_and_value(
        tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message) as refusal:
        load(tmp_path, json.dumps(content(**changes)))
    assert 'statistics.json' in str(refusal.value)


@pytest.mark.parametrize('text', ['', '[1, 2]', '{"actions_min": [0', 'null'])
def test_a_truncated_or_foreign_file_is_refused(tmp_path, text):
    with pytest.raises(CheckpointError, match='statistics.json'):
        load(tmp_path, text)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match='absent.json'):
        load_statistics(tmp_path / 'absent.json', action_size=2, proprio_size=1)
