# SPDX-License-Identifier: Apache-2.0
"""The journal of an evaluation that is under way."""

import pytest

from cosmos_policy_ros.cli.experiments.rollout_journal import RolloutJournal
from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout


def outcome(seed):
    """A rollout of a seed and the policy's name."""
    return Rollout(
        seed=seed, is_success=True, score=1.0, stage='done', duration_s=3.0, num_queries=2,
        values=(0.1, 0.25), times=ComputeTimes(physics_s=1.0, rendering_s=2.0, inference_s=3.0),
    ), 'tiny'


def test_what_is_appended_is_read_back_equal(tmp_path):
    journal = RolloutJournal(tmp_path / 'rollouts.jsonl')
    assert journal.read() == []
    for seed in (2, 1):
        journal.append(outcome(seed))
    assert journal.read() == [outcome(2), outcome(1)]


def test_a_line_that_a_crash_cut_short_does_not_count_and_does_not_harm(tmp_path):
    path = tmp_path / 'rollouts.jsonl'
    journal = RolloutJournal(path)
    journal.append(outcome(1))
    with path.open('a') as file:
        file.write('{"policy": "tiny", "roll')
    assert journal.read() == [outcome(1)]
    journal.append(outcome(2))
    assert journal.read() == [outcome(1), outcome(2)]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / 'rollouts.jsonl'
    path.write_text('something else\n')
    with pytest.raises(RecordingError, match='rollouts.jsonl'):
        RolloutJournal(path).read()
