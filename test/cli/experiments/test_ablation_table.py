# SPDX-License-Identifier: Apache-2.0
"""What a row of the ablations says."""

import pytest

from cosmos_policy_ros.cli.experiments.ablation_table import (
    ablation_table, AblationRow, BEGIN, check_document, END)
from cosmos_policy_ros.cli.experiments.ablation_variants import Expected, NO_FIGURE
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout

NO_TIME = ComputeTimes(physics_s=0.0, rendering_s=0.0, inference_s=0.0)


def result(num_successes, num_episodes=20):
    """An evaluation whose first seeds succeeded."""
    return EvaluationResult(policy='tiny', rollouts=tuple(Rollout(
        seed=5000 + index, is_success=index < num_successes, score=0.0, stage='', duration_s=1.0,
        num_queries=1, times=NO_TIME) for index in range(num_episodes)))


def row(num_successes, expected=Expected.LOWER, paper='LIBERO 98.5 to 97.0 %', **changes):
    """A row beside a reference with 10 of 20."""
    return AblationRow(**{
        'text': 'actions alone', 'task': 'lift_cube', 'expected': expected, 'paper': paper,
        'result': result(num_successes), 'reference': result(10), 'is_reference': False,
        'training_seed': 3, 'action_error': 0.01234, 'elapsed_s': 600.0, **changes})


@pytest.mark.parametrize(('num_successes', 'expected', 'text'), [
    (2, Expected.LOWER, "-40 points, p = 0.0078: the paper's direction (it found lower: LIBERO"),
    (9, Expected.LOWER, "the paper's direction, but within chance"),
    (20, Expected.LOWER, "+50 points, p = 0.002: against the paper's direction (it found lower"),
    (12, Expected.HIGHER, "the paper's direction, but within chance (it found higher"),
    (10, Expected.LOWER, "no difference, unlike the paper's")])
def test_a_row_says_whether_it_goes_the_papers_way_and_how_sure_that_is(
        num_successes, expected, text):
    assert text in row(num_successes, expected).verdict


def test_a_row_without_a_figure_in_the_paper_claims_nothing():
    verdict = row(2, Expected.UNKNOWN, NO_FIGURE).verdict
    assert 'direction' not in verdict and verdict.endswith(f'{NO_FIGURE}.')


def test_a_reference_says_that_it_is_one():
    assert row(10, is_reference=True).verdict == 'Reference of the rows below.'


def test_the_table_has_what_was_run_and_what_came_of_it():
    head, rule, line = ablation_table([row(2)]).splitlines()
    assert line.startswith(
        '| actions alone | `lift_cube` | 5000 to 5019 | 3 | 2/20 | 3% to 30% | 0.0123 | 10 min | '
        '-40 points')
    assert head.count('|') == rule.count('|') == line.count('|')
    given = ablation_table([row(2, training_seed=None, action_error=None)])
    assert '| given | 2/20 | 3% to 30% | – |' in given


@pytest.mark.parametrize('text', [
    '', BEGIN, END, f'{END}\n{BEGIN}', f'{BEGIN}\n{BEGIN}\n{END}', f'{BEGIN}\n{END}\n{END}'])
def test_a_document_without_its_two_markers_is_refused(tmp_path, text):
    path = tmp_path / 'document.md'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match='once, in this order'):
        check_document(path)
