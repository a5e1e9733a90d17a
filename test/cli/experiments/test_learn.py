# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy learn` as a user runs it, with a tiny model and a few short episodes."""

from dataclasses import replace
import json
import math
import shutil

import pytest
from rich.console import Console

from cosmos_policy_ros.cli import evaluation_run
from cosmos_policy_ros.cli.collection_run import Collection
from cosmos_policy_ros.cli.experiments import learning_plan
from cosmos_policy_ros.cli.learn import filled_in, learn, LearnOptions, quick
from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.cli.stopped import STOPPED
from cosmos_policy_ros.diffusion.checkpoint_config import read_checkpoint_config
from cosmos_policy_ros.diffusion.checkpoint_files import checkpoint_files
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.evaluation.evaluation_result import load_result
from cosmos_policy_ros.recording.episode import load_metadata
from cosmos_policy_ros.training.labelled_data import data_identity, find_sources
from cosmos_policy_ros.training.prepared_episode import View

# The loop that all share runs in the first of them.
pytestmark = pytest.mark.timeout(300)
STAGES = ['collect', 'train', 'polished', 'evaluate_direct', 'roll_out', 'refined',
          'evaluate_planning_refined', 'refined_q', 'evaluate_planning_q', 'evaluate_planning',
          'videos']
WAYS = ['direct', 'planning', 'planning_refined', 'planning_q']


@pytest.fixture
def copy(loop, tmp_path):
    """A finished loop that a test may change."""
    shutil.copytree(loop.output, tmp_path / 'loop')
    return replace(loop, output=tmp_path / 'loop')


def undo(options, *stages):
    """Make stages look as if they had not been begun."""
    for stage in stages:
        (options.output / 'stages' / f'{stage}.json').unlink()


def test_the_loop_ends_with_a_report_of_every_stage_and_way(loop):
    report = json.loads((loop.output / 'report.json').read_text())
    assert list(report['stages']) == STAGES and list(report['success']) == WAYS
    assert all(stage['elapsed_s'] > 0 for stage in report['stages'].values())
    for way in report['success'].values():
        assert way['seeds'] == [5000, 5001] and way['inference_per_query_s'] > 0
    pairs = {(pair['first'], pair['second']) for pair in report['comparisons']}
    assert ('direct', 'planning_refined') in pairs and ('planning_q', 'planning_refined') in pairs
    assert all(0 <= pair['p_value'] <= 1 for pair in report['comparisons'])
    text = (loop.output / 'report.md').read_text()
    assert '(success.png)' in text and (loop.output / 'success.png').stat().st_size > 5000
    assert all(f'`{stage}`' in text for stage in STAGES)


def test_a_trained_policy_is_polished_and_then_evaluated(loop):
    card = json.loads((loop.output / 'polished' / 'run.json').read_text())
    assert card['init'] == str(loop.output / 'policy' / 'model')
    assert card['training']['samples']['demonstration_share'] == 0.85
    assert card['training']['optimiser']['learning_rate'] == 1e-3
    assert load_result(loop.output / 'evaluations' / 'direct' / 'evaluation.json').settings[
        'checkpoint'] == str(loop.output / 'polished' / 'model')


@pytest.mark.parametrize(('minutes', 'trainings', 'policy'), [
    (5.0, ['train'], 'policy/model'), (0.0, [], 'weights')])
def test_a_policy_is_not_polished_where_nobody_wants_it_or_it_is_taken_as_it_is(
        loop, tmp_path, minutes, trainings, policy):
    init = shutil.copytree(loop.output / 'policy' / 'model', tmp_path / 'weights')
    plan = learning_plan.LearningPlan(LearnOptions(
        output=tmp_path, takes=1, miss_share=0.0, minutes=minutes, init=str(init),
        polish_minutes=0.0 if minutes else 5.0), Console())
    settings = {stage.name: stage.settings for stage in plan.stages()}
    assert [name for name in settings if name in ('train', 'polished')] == trainings
    assert settings['refined']['init'] == str(tmp_path / policy)


def test_models_are_refined_with_the_published_shares_on_rollouts_of_the_policy(loop):
    rollouts = [load_metadata(path) for path in sorted((loop.output / 'rollouts').iterdir())]
    assert [rollout.seed for rollout in rollouts] == [20000, 20001]
    assert {rollout.mode for rollout in rollouts} == {'direct'}
    explored = load_result(loop.output / 'evaluations' / 'rollouts' / 'evaluation.json')
    assert explored.settings['exploration'] == loop.exploration > 0
    assert explored.settings['recorded_image_rate_hz'] == loop.rollout_image_rate_hz == 5
    assert explored.settings['timeout_s'] == loop.rollout_timeout_s
    for folder, value in (('refined', 'v_next'), ('refined_q', 'q')):
        card = json.loads((loop.output / folder / 'run.json').read_text())
        assert card['training']['samples']['demonstration_share'] == 0.1
        assert card['training']['samples']['world_model_share'] == 0.5
        assert card['training']['samples']['max_image_age_s'] == 0.02
        assert not card['training']['samples']['demonstrations_are_rollouts']
        assert not card['training']['samples']['partial_scores']
        assert card['training']['noise']['uniform_low'] == 20.0
        assert card['training']['optimiser']['learning_rate'] == 1e-3
        assert card['training']['loss']['value_kind'] == value
        assert card['training']['loss']['proprio_weight'] == 10.0
        assert card['training']['loss']['value_weight'] == 3.0
        assert card['init'] == str(loop.output / 'polished' / 'model')
        config = read_checkpoint_config(checkpoint_files(loop.output / folder / 'model'))
        sources = find_sources(
            [loop.output / 'demonstrations', loop.output / 'rollouts'], View.of(config))
        assert len(sources) == 3
        assert card['data']['identity'] == data_identity(sources)
        assert config.trained_values == (value,)


@pytest.mark.parametrize('takes', [1, 2])
def test_demonstrations_are_rollouts_too_where_they_show_what_an_action_changes(tmp_path, takes):
    plan = learning_plan.LearningPlan(
        LearnOptions(output=tmp_path, miss_share=0.5, takes=takes), Console())
    settings = {stage.name: stage.settings for stage in plan.stages()}
    assert settings['collect']['takes'] == takes
    samples = settings['refined']['training']['samples']
    assert samples['demonstrations_are_rollouts'] == (takes > 1)


def test_noise_levels_about_the_lowest_of_sampling_are_those_of_training(loop):
    card = json.loads((loop.output / 'policy' / 'run.json').read_text())
    assert card['training']['noise']['log_mean'] == pytest.approx(math.log(loop.sigma_min))
    for folder in ('policy', 'polished', 'refined', 'refined_q'):
        config = read_checkpoint_config(checkpoint_files(loop.output / folder / 'model'))
        assert config.sigma_min == loop.sigma_min == 2.0


def test_each_way_plans_with_its_own_model(loop):
    results = {way: load_result(loop.output / 'evaluations' / way / 'evaluation.json')
               for way in WAYS}
    assert results['direct'].settings['planning'] is None
    for way, model, value in (
            ('planning', '', 'v_full'), ('planning_refined', 'refined', 'v_next'),
            ('planning_q', 'refined_q', 'q')):
        settings = results[way].settings
        assert settings['planning']['num_candidates'] == 2
        assert settings['planning']['candidate_spread'] == loop.candidate_spread > 0
        assert settings['planning']['value_kind'] == value
        assert settings['planning']['imagination_seed'] == settings['policy_seed']
        assert settings['planning']['num_denoising_steps_future'] == loop.future_steps
        assert settings['planning']['num_denoising_steps_value'] == loop.value_steps
        assert settings['planning_checkpoint'] == (
            str(loop.output / model / 'model') if model else '')


def test_what_happened_is_on_video(loop):
    videos = json.loads((loop.output / 'report.json').read_text())['videos']
    assert videos, 'an untrained policy fails'
    for name in videos.values():
        assert (loop.output / 'videos' / name).stat().st_size > 1000


def test_a_second_run_does_nothing_but_the_report(loop, capsys):
    before = {path: path.stat().st_mtime_ns for path in loop.output.rglob('*') if path.is_file()
              and not path.name.startswith(('report', 'success', '.lock'))}
    assert learn(loop) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert capsys.readouterr().out.count('done before') == len(STAGES)


def test_an_interrupted_evaluation_keeps_its_rollouts(copy, monkeypatch, capsys):
    undo(copy, 'roll_out')
    shutil.rmtree(copy.output / 'evaluations' / 'rollouts')
    shutil.rmtree(copy.output / 'rollouts')
    real, ran = evaluation_run.EvaluationWorker.run, []

    def stop_at_the_second(self, seed):
        if ran:
            raise KeyboardInterrupt
        ran.append(seed)
        return real(self, seed)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_run.EvaluationWorker, 'run', stop_at_the_second)
        assert learn(copy) == STOPPED
    assert 'the same command goes on' in ' '.join(capsys.readouterr().out.split())
    left = copy.output / 'rollouts' / 'episode_020001.partial'
    left.mkdir()
    first = copy.output / 'rollouts' / 'episode_020000' / 'episode.json'
    stamp = first.stat().st_mtime_ns
    assert learn(copy) == 0
    assert first.stat().st_mtime_ns == stamp and not left.exists()
    result = load_result(copy.output / 'evaluations' / 'rollouts' / 'evaluation.json')
    assert [rollout.seed for rollout in result.rollouts] == [20000, 20001]


def test_an_interrupted_training_goes_on_from_its_checkpoint(copy, monkeypatch):
    from cosmos_policy_ros.training.trainer import Trainer

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt
    undo(copy, 'refined_q')
    shutil.rmtree(copy.output / 'refined_q')
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, 'learn', stop)
        assert learn(copy) == STOPPED
    card = copy.output / 'refined_q' / 'run.json'
    assert json.loads(card.read_text())['steps'] == 0
    assert learn(copy) == 0
    assert json.loads(card.read_text())['steps'] > 0


@pytest.mark.parametrize(('changes', 'stage', 'text'), [
    ({'demonstrations': 3}, 'collect', 'demonstrations was 1, now 3'),
    ({'minutes': 5.0}, 'train', 'minutes was 0.01, now 5.0'),
    ({'evaluation_seed': 6000}, 'evaluate_direct', 'seed was 5000, now 6000'),
    ({'candidates': 4}, 'evaluate_planning_refined', 'planning.num_candidates was 2, now 4')])
def test_other_settings_than_those_of_a_stage_that_is_done_are_refused(
        loop, changes, stage, text):
    with pytest.raises(CosmosPolicyError) as caught:
        learn(replace(loop, **changes))
    assert repr(stage) in str(caught.value) and text in str(caught.value)
    assert 'another --output' in str(caught.value)


def test_more_workers_or_threads_are_no_other_settings(loop):
    assert learn(replace(loop, workers=2, threads=2)) == 0


@pytest.mark.parametrize(('command', 'text'), [
    (('--evaluation-seed', '20050'), 'share seeds'), (('--episodes', '0'), 'at least 1'),
    (('--minutes', '0', '--init', 'random'), 'give an init'),
    (('--miss-share', '0', '--takes', '2'), 'takes is 2'),
    (('--sigma-min', '0'), 'sigma_min is 0'), (('--init', 'unknown_model'), 'unknown_model')])
def test_impossible_wishes_are_refused_before_anything_is_done(tmp_path, capsys, command, text):
    assert main(['learn', '--output', str(tmp_path / 'out'), *command]) == 1
    assert text in ' '.join(capsys.readouterr().err.split())
    assert not (tmp_path / 'out').exists()


def test_seeds_that_demonstrations_took_are_refused(loop):
    with pytest.raises(CosmosPolicyError, match='evaluation_seed is 999.*took seeds 1000'):
        learn(replace(loop, evaluation_seed=999))


def test_seeds_are_also_looked_at_after_collecting(loop, tmp_path, monkeypatch):
    def collect(options, console):
        shutil.copytree(loop.output / 'demonstrations', options.output)
        return Collection(num_kept=1, num_failed=0)
    monkeypatch.setattr(learning_plan, 'collect_demonstrations', collect)
    with pytest.raises(CosmosPolicyError, match='rollout_seed is 1000'):
        learn(replace(loop, output=tmp_path / 'new', rollout_seed=1000))
    assert not json.loads((tmp_path / 'new' / 'stages' / 'collect.json').read_text())['is_done']


def test_a_quick_loop_is_tiny_and_begins_with_a_policy_that_can_do_something():
    tiny = quick(LearnOptions())
    assert (tiny.task, filled_in(tiny).init, tiny.episodes) == ('transfer_cube', 'aloha_small', 4)
    other = filled_in(quick(LearnOptions(task='insertion', episodes=2, init='mine')))
    assert (other.task, other.init, other.episodes) == ('insertion', 'mine', 2)


@pytest.mark.parametrize(('given', 'miss_share', 'takes'), [
    ({}, 0.35, 2), ({'task': 'insertion'}, 0.0, 1), ({'miss_share': 0.0}, 0.0, 1),
    ({'miss_share': 0.2, 'takes': 3}, 0.2, 3), ({'takes': 0}, 0.35, 0)])
def test_scenes_are_shown_twice_where_the_expert_can_miss(given, miss_share, takes):
    options = filled_in(LearnOptions(**given))
    assert (options.miss_share, options.takes) == (miss_share, takes)


@pytest.mark.parametrize(('given', 'init'), [
    ({}, 'aloha_small'), ({'init': 'random'}, None), ({'config': 'aloha_2b'}, None)])
def test_training_begins_with_trained_weights_of_the_same_network(given, init):
    assert filled_in(LearnOptions(**given)).init == init
