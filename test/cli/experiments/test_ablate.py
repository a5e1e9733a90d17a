# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy ablate` as a user runs it, on the data and the models of a tiny loop."""

from dataclasses import replace
import json

import pytest
from rich.console import Console

from cosmos_policy_ros.cli.ablate import ablate, AblateOptions
from cosmos_policy_ros.cli.experiments.ablation_plan import AblationPlan
from cosmos_policy_ros.cli.experiments.ablation_table import BEGIN, END
from cosmos_policy_ros.cli.experiments.checkpoint_validation import validate_checkpoint
from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.cli.train import TrainOptions
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.evaluation.evaluation_result import load_result

# The loop and the ablations that all share run in the first of them.
pytestmark = pytest.mark.timeout(300)
TRAINED = ['base', 'no_auxiliary', 'no_rollout_samples', 'action_only', 'log_normal']


@pytest.fixture(scope='module')
def options(loop, tmp_path_factory):
    """All ablations, ran once, with a document for the table."""
    place = tmp_path_factory.mktemp('ablations')
    document = place / 'document.md'
    document.write_text(f'Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n')
    options = AblateOptions(
        data=(loop.output / 'demonstrations',), output=place / 'out', task='lift_cube', steps=1,
        episodes=1, config=loop.config, cache=loop.output / 'prepared', timeout_s=0.1,
        checkpoint=str(loop.output / 'policy' / 'model'), document=document,
        planning_checkpoint=str(loop.output / 'refined' / 'model'), workers=0, threads=1,
        device='cpu')
    assert ablate(options) == 0
    return options


def test_every_variant_has_a_row(options):
    rows = json.loads((options.output / 'ablations.json').read_text())
    assert len(rows) == len(TRAINED) + 4 + 4
    assert all(row['seeds'] == '5000 to 5000' and row['episodes'] == 1 for row in rows)
    assert [row['training_seed'] for row in rows] == [0] * 5 + [None] * 8
    assert all(row['elapsed_s'] > 0 and row['verdict'] for row in rows)


def test_the_table_stands_in_the_document_between_its_markers_and_nothing_else_changed(options):
    text = options.document.read_text()
    table = (options.output / 'ablations.md').read_text()
    assert text == f'Before.\n\n{BEGIN}\n{table}{END}\n\nAfter.\n'
    assert len(table.splitlines()) == 2 + 13
    assert {line.count('|') for line in table.splitlines()} == {10}


def test_variants_differ_from_the_base_in_what_they_leave_out_alone(options):
    cards = {name: json.loads((options.output / name / 'training' / 'run.json').read_text())
             for name in TRAINED}
    base = cards['base']['training']
    assert len({card['data']['identity'] for card in cards.values()}) == 1
    assert {card['budget']['steps'] for card in cards.values()} == {1}
    changes = {name: {f'{group}.{key}': value for group, values in card['training'].items()
                      for key, value in values.items() if value != base[group][key]}
               for name, card in cards.items()}
    assert changes == {
        'base': {}, 'no_auxiliary': {'loss.own_parts_only': True,
                                     'loss.policy_learns_value': False},
        'no_rollout_samples': {'samples.demonstration_share': 1.0},
        'action_only': {'samples.demonstration_share': 1.0, 'loss.proprio_weight': 0.0,
                        'loss.view_weight': 0.0, 'loss.value_weight': 0.0},
        'log_normal': {'noise.uniform_share': 0.0}}


def test_given_checkpoints_are_varied_in_steps_and_candidates(options):
    def settings(name):
        return load_result(options.output / name / 'evaluation' / 'evaluation.json').settings
    for count in (1, 2, 5, 10):
        assert settings(f'steps_{count}')['num_denoising_steps'] == count
        assert settings(f'steps_{count}')['planning'] is None
    for count in (1, 2, 4, 8):
        assert settings(f'candidates_{count}')['planning']['num_candidates'] == count
        assert settings(f'candidates_{count}')['planning']['candidate_spread'] == 0.0
        assert settings(f'candidates_{count}')['planning']['imagination_seed'] == 195
        assert settings(f'candidates_{count}')['fresh_noise']
        assert settings(f'candidates_{count}')['planning_checkpoint'] == (
            options.planning_checkpoint)


def test_checkpoints_of_another_task_are_evaluated_on_theirs_and_not_on_the_data(options):
    plan = AblationPlan(replace(options, checkpoint_task='insertion'), Console(quiet=True))
    stages = {stage.name: stage.settings for stage in plan.stages()}
    assert 'validate_checkpoint' not in stages
    assert {name: settings['task'] for name, settings in stages.items() if 'task' in settings} == {
        **{f'evaluate_{name}': 'lift_cube' for name in TRAINED},
        **{f'evaluate_steps_{count}': 'insertion' for count in (1, 2, 5, 10)},
        **{f'evaluate_candidates_{count}': 'insertion' for count in (1, 2, 4, 8)}}


def test_a_second_run_does_nothing_and_writes_the_same_table(options, capsys):
    before = options.document.read_text()
    assert ablate(options) == 0
    assert options.document.read_text() == before
    assert capsys.readouterr().out.count('done before') == 5 * 2 + 1 + 8


@pytest.mark.parametrize('changes', [{'steps': 2}, {'seed': 6000}, {'training_seed': 1}])
def test_other_settings_are_refused(options, changes):
    with pytest.raises(CosmosPolicyError, match='other settings'):
        ablate(replace(options, **changes))


def test_a_checkpoint_is_validated_on_what_training_sets_aside(loop):
    training = TrainOptions(
        data=(loop.output / 'demonstrations',), cache=loop.output / 'prepared', threads=1,
        validation_share=1.0, validation_samples=2, device='cpu')
    reports = validate_checkpoint(
        str(loop.output / 'policy' / 'model'), training, [1, 2], Console(quiet=True))
    assert [report['num_steps'] for report in reports['validation']] == [1, 2]
    assert all(0 < report['action'] < 10 for report in reports['validation'])


@pytest.mark.parametrize(('command', 'text'), [
    (('--planning-checkpoint', 'aloha_small'), 'give that policy'),
    (('--checkpoint', 'unknown_model'), 'unknown_model'),
    (('--task', 'insertion'), 'no episode of insertion'),
    (('--document', 'missing.md'), 'missing.md')])
def test_impossible_wishes_are_refused_before_anything_is_done(
        loop, tmp_path, capsys, command, text):
    assert main(['ablate', '--data', str(loop.output / 'demonstrations'), '--task', 'lift_cube',
                 '--output', str(tmp_path / 'out'), *command]) == 1
    assert text in ' '.join(capsys.readouterr().err.split())
    assert not (tmp_path / 'out').exists()
