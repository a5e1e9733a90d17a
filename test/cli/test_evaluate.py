# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy evaluate`, `compare` and `collect` as a user runs them."""

import pytest
from rich.console import Console

from cosmos_policy_ros.cli.evaluate import EvaluateOptions
from cosmos_policy_ros.cli.evaluation_run import evaluation_job, run_evaluation
from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.evaluation_result import load_result


@pytest.fixture(scope='module')
def result_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp('evaluation')
    status = main(['evaluate', '--policy', 'scripted', '--task', 'lift_cube', '--episodes', '2',
                   '--seed', '5000', '--timeout-s', '8', '--output', str(folder)])
    assert status == 0
    return folder / 'evaluation.json'


def test_an_evaluation_leaves_a_result(result_path):
    result = load_result(result_path)
    assert (result.num_successes, len(result.rollouts)) == (2, 2)
    assert [rollout.seed for rollout in result.rollouts] == [5000, 5001]
    assert result.settings['task'] == 'lift_cube' and result.settings['latency_s'] == 0.15


def test_a_result_compares_with_itself(result_path, capsys):
    assert main(['compare', str(result_path), str(result_path)]) == 0
    assert 'no difference can be told' in capsys.readouterr().out


def test_other_seeds_cannot_be_compared(result_path, tmp_path, capsys):
    result = load_result(result_path)
    fewer = tmp_path / 'fewer.json'
    type(result)(policy='other', rollouts=result.rollouts[:1]).save(fewer)
    assert main(['compare', str(result_path), str(fewer)]) == 1
    assert 'same seeds' in capsys.readouterr().err


def test_futures_and_values_take_the_steps_of_a_chunk_unless_they_have_their_own(tmp_path):
    def planning(**options):
        return evaluation_job(
            EvaluateOptions(mode='planning', denoising_steps=4, **options), tmp_path
        ).settings.planning
    assert planning().future_steps == planning().value_steps == (4,)
    assert planning(future_steps=2).future_steps == (2,)
    assert planning(value_steps=1).value_steps == (1,)
    assert planning(value_steps=1).num_denoising_steps_action == 4
    with pytest.raises(ConfigurationError, match='num_denoising_steps_value is 0'):
        planning(value_steps=0)


def test_rollouts_that_are_known_but_not_wanted_do_not_count(result_path, tmp_path):
    known = [(rollout, 'scripted') for rollout in load_result(result_path).rollouts]
    options = EvaluateOptions(policy='scripted', task='lift_cube', episodes=1, seed=5001)
    result = run_evaluation(options, tmp_path, Console(quiet=True), known=known)
    assert [rollout.seed for rollout in result.rollouts] == [5001]


@pytest.mark.parametrize('name, value', [
    ('exploration', '0.01'), ('record', 'rollouts'), ('videos', 'all')])
def test_live_rollouts_refuse_what_they_cannot_have(tmp_path, capsys, name, value):
    assert main(['evaluate', '--live', f'--{name}', value, '--output', str(tmp_path)]) == 1
    assert f'{name} is {value} with live' in capsys.readouterr().err


def test_a_policy_that_is_not_there_is_refused_with_the_reason(tmp_path, capsys):
    status = main(['evaluate', '--checkpoint', str(tmp_path / 'none'), '--episodes', '1',
                   '--output', str(tmp_path)])
    assert status == 1
    assert str(tmp_path / 'none') in capsys.readouterr().err.replace('\n', '')


def test_a_second_collection_goes_on_where_the_first_ended(tmp_path, capsys):
    command = ['collect', '--task', 'lift_cube', '--seed', '1000', '--output', str(tmp_path)]
    assert main([*command, '--episodes', '1']) == 0
    first = sorted(path.name for path in tmp_path.glob('episode_*'))
    stamp = (tmp_path / first[0] / 'episode.json').stat().st_mtime_ns
    assert main([*command, '--episodes', '1']) == 0
    assert sorted(path.name for path in tmp_path.glob('episode_*')) == first
    assert (tmp_path / first[0] / 'episode.json').stat().st_mtime_ns == stamp
    assert '1 demonstrations' in capsys.readouterr().out
