# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found is summed up rightly and survives the disk."""

import json

import pytest
from virtual_runs import rollout

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult, load_result
from cosmos_policy_ros.evaluation.success import wilson_interval

ROLLOUTS = (rollout(3, False, score=0.4, stage='right gripper lifts'), rollout(1, True),
            rollout(2, True, duration_s=7.0, values=(0.1, 0.9), value_spreads=(0.1, 0.4, 0.2),
                    chunk_spreads=(0.01, 0.03, 0.02), imagined_shares=(0.3, 0.5, 0.4)))


@pytest.fixture
def result():
    return EvaluationResult(policy='tiny', settings={'task': 'lift_cube'}, rollouts=ROLLOUTS)


def test_rollouts_are_summed_up(result):
    assert [rollout.seed for rollout in result.rollouts] == [1, 2, 3]
    assert (result.num_successes, result.success_rate) == (2, pytest.approx(2 / 3))
    assert result.interval == wilson_interval(2, 3)
    assert result.mean_score == pytest.approx(0.8)
    assert result.success_time_s == 6.0
    assert result.stages == {'right gripper lifts': 1}
    assert result.value_spread == 0.2 and result.chunk_spread == 0.02
    assert result.imagined_share == 0.4
    assert result.inference_per_query_s == pytest.approx(9 / 12)
    assert result.cost_per_virtual_s.rendering_s == pytest.approx(6 / 17)


def test_without_a_success_there_is_no_time_to_it():
    result = EvaluationResult(policy='', rollouts=ROLLOUTS[:1])
    assert result.success_time_s is None and result.value_spread is None
    assert result.imagined_share is None


def test_a_saved_result_is_read_back(result, tmp_path):
    path = tmp_path / 'new' / 'evaluation.json'
    result.save(path)
    assert load_result(path) == result
    summary = json.loads(path.read_text())['summary']
    assert (summary['successes'], summary['episodes']) == (2, 3)
    assert (summary['value_spread'], summary['chunk_spread']) == (0.2, 0.02)
    assert summary['imagined_share'] == 0.4


@pytest.mark.parametrize(('text', 'problem'), [
    ('{', 'cannot read'), ('{}', 'no evaluation'), ('[]', 'no evaluation'),
    ('{"format_version": 99}', 'format version 99')])
def test_what_is_no_result_is_refused(tmp_path, text, problem):
    path = tmp_path / 'evaluation.json'
    path.write_text(text)
    with pytest.raises(RecordingError, match=problem):
        load_result(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match='absent.json'):
        load_result(tmp_path / 'absent.json')
