# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy train` on episodes that lie prepared in its cache."""

from dataclasses import replace
import json
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint
from cosmos_policy_ros.diffusion.config import save_config
from cosmos_policy_ros.diffusion.text_embedding import save_text_embeddings, TextEmbeddings
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, save_metadata
from cosmos_policy_ros.training.prepared_episode import episode_identity, View
from cosmos_policy_ros.training.run_folder import RunFolder

TASK = 'transfer the cube'
QUICK = ['--threads', '1', '--batch-size', '4', '--optimiser', 'muon', '--warmup-steps', '2',
         '--schedule', 'published', '--validation-samples', '2', '--validation-share', '0.5',
         '--device', 'cpu']


@pytest.fixture
def place(tmp_path, tiny_patch_config):
    """A folder with a configuration, six episodes, and a cache in which they are prepared."""
    (tmp_path / 'config').mkdir()
    config = replace(tiny_patch_config, prediction='clean')
    save_config(tmp_path / 'config' / 'config.json', config)
    shape = (config.text_tokens, config.transformer.text_dim)
    save_text_embeddings(tmp_path / 'config' / 'text_embeddings.safetensors',
                         TextEmbeddings(by_task={TASK: torch.ones(shape)}))
    for i in range(6):
        _write_episode(tmp_path, View.of(config), i)
    return tmp_path


def _write_episode(place, view, index, **metadata):
    folder = place / 'data' / f'episode_{index}'
    folder.mkdir(parents=True)
    (folder / 'episode.mcap').write_text(f'episode {index}')
    save_metadata(folder, EpisodeMetadata(**{
        'task': TASK, 'robot': 'interbotix', 'mode': 'scripted', 'software_version': '1',
        'started_ns': 0, 'label': EpisodeLabel(outcome='success'), **metadata}))
    prepared = place / 'cache' / episode_identity(folder, view)
    prepared.mkdir(parents=True)
    random = np.random.default_rng(index)
    joints = random.uniform(-1, 1, (12, 14)).astype(np.float32)
    np.save(prepared / 'images.npy', random.integers(0, 256, (12, 3, 32, 32, 3), np.uint8))
    np.save(prepared / 'proprio.npy', joints)
    np.save(prepared / 'actions.npy', joints)
    np.save(prepared / 'image_ages_s.npy', np.zeros(len(joints), np.float32))
    (prepared / 'episode.json').write_text(json.dumps({'name': folder.name}))


def train(place, output, *options):
    """Run the command."""
    return main(['train', '--data', str(place / 'data'), '--cache', str(place / 'cache'),
                 '--config', str(place / 'config'), '-o', str(place / output), *QUICK,
                 *options])


def weights(place, output):
    """Weights of the model that a run wrote."""
    return load_checkpoint(place / output / 'model').model.state_dict()


def test_a_run_ends_with_a_model_that_is_trained_and_a_card_that_says_how(place):
    assert train(place, 'run', '--steps', '3') == 0
    checkpoint = load_checkpoint(place / 'run' / 'model')
    assert checkpoint.is_trained and checkpoint.text_embeddings.tasks == (TASK,)
    card = json.loads((place / 'run' / 'run.json').read_text())
    assert card['steps'] == 3 and card['samples'] == 12
    assert card['data']['learned'] + card['data']['held_out'] == 6
    assert card['training']['optimiser']['optimiser'] == 'muon'
    assert {entry['num_steps'] for entry in card['validation']} == {1, 3}


def test_a_value_is_for_planning_once_it_saw_failures(place, tiny_patch_config):
    assert train(place, 'before', '--steps', '1') == 0
    assert load_checkpoint(place / 'before' / 'model').model.config.trained_values == ()
    for i in (20, 21, 22):
        _write_episode(place, View.of(tiny_patch_config), i, mode='direct',
                       label=EpisodeLabel(outcome='failure'))
    assert train(place, 'after', '--steps', '1', '--value-kind', 'v_next',
                 '--no-demonstrations-are-rollouts') == 0
    assert json.loads((place / 'after' / 'run.json').read_text())['validation'], (
        'demonstrations are set aside and looked at though no rollout is')
    after = load_checkpoint(place / 'after' / 'model').model.config
    assert after.trained_values == ('v_next',)
    assert after.arm_order == ('left', 'right')


def test_a_tensorboard_log_is_written_where_it_is_asked_for(place):
    assert train(place, 'run', '--steps', '1', '--tensorboard') == 0
    log, = (place / 'run' / 'tensorboard').iterdir()
    assert b'validation_1/action' in log.read_bytes()
    lines = (place / 'run' / 'metrics.jsonl').read_text().splitlines()
    assert any('validation_1/action' in json.loads(line) for line in lines)


def test_an_interrupted_run_ends_with_the_same_weights_bit_by_bit(place):
    assert train(place, 'whole', '--steps', '4') == 0
    assert train(place, 'parts', '--steps', '2') == 0
    assert train(place, 'parts', '--steps', '4', '--resume') == 0
    parts = weights(place, 'parts')
    for name, tensor in weights(place, 'whole').items():
        assert torch.equal(parts[name], tensor)


def test_a_full_disk_costs_checkpoints_and_log_lines_and_not_the_run(
        place, monkeypatch, capsys):
    folder = place / 'run'
    folder.mkdir()
    (folder / 'metrics.jsonl').mkdir()
    real, refused = RunFolder.save, []

    def refuse_first(self, *args, **kwargs):
        if not refused:
            refused.append(args[0]['step'])
            raise CheckpointError('cannot write checkpoint: No space left on device')
        return real(self, *args, **kwargs)
    monkeypatch.setattr(RunFolder, 'save', refuse_first)
    assert train(place, 'run', '--steps', '3', '--checkpoint-minutes', '0') == 0
    assert refused == [1]
    shown = capsys.readouterr().out
    assert 'No space left' in shown and 'metrics.jsonl' in shown
    assert (folder / 'checkpoints' / 'step_00000003').is_dir()
    assert load_checkpoint(folder / 'model').is_trained


def test_processes_that_read_ahead_change_nothing(place):
    assert train(place, 'none', '--steps', '3') == 0
    assert train(place, 'two', '--steps', '3', '--workers', '2') == 0
    two = weights(place, 'two')
    for name, tensor in weights(place, 'none').items():
        assert torch.equal(two[name], tensor)


def test_a_run_begins_with_the_weights_it_is_given(place):
    assert train(place, 'first', '--steps', '2') == 0
    assert train(place, 'second', '--steps', '1', '--learning-rate', '1e-12', '--init',
                 str(place / 'first' / 'model')) == 0
    first = weights(place, 'first')
    for name, tensor in weights(place, 'second').items():
        torch.testing.assert_close(tensor, first[name], rtol=0, atol=1e-6)


def test_adapters_learn_on_top_of_a_checkpoint_and_go_on(place):
    assert train(place, 'base', '--steps', '2') == 0
    lora = ('--lora-rank', '2', '--init', str(place / 'base' / 'model'))
    assert train(place, 'whole', '--steps', '4', *lora) == 0
    assert train(place, 'parts', '--steps', '2', *lora) == 0
    assert train(place, 'parts', '--steps', '4', '--resume', *lora) == 0
    base, whole, parts = (weights(place, name) for name in ('base', 'whole', 'parts'))
    changed = {name for name, tensor in whole.items() if not torch.equal(base[name], tensor)}
    assert changed and all('blocks.' in name for name in changed)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=1e-7)


@pytest.mark.parametrize(('options', 'text'), [
    (('--steps', '1', '--lora-rank', '2'), 'begin with'),
    ((), 'give one of them'), (('--steps', '1', '--minutes', '1'), 'give one of them'),
    (('--steps', '1', '--resume'), 'no checkpoint to resume'),
    (('--steps', '1', '--optimiser', 'muon', '--shard'), 'torchrun'),
    (('--steps', '1', '--optimiser', 'sgd'), 'optimiser'),
    (('--steps', '1', '--processes', '0'), 'processes is 0'),
    (('--steps', '1', '--sigma-min', '99'), 'sigma_min 99.0 must be below'),
    (('--steps', '1', '--config', 'unknown'), 'unknown')])
def test_impossible_wishes_are_refused_in_words(place, capsys, options, text):
    assert train(place, 'run', *options) == 1
    assert text in ' '.join(capsys.readouterr().err.split())


def test_a_new_run_does_not_mix_with_an_old_one(place, capsys):
    assert train(place, 'run', '--steps', '1') == 0
    assert train(place, 'run', '--steps', '1') == 1
    assert 'holds a run already' in ' '.join(capsys.readouterr().err.split())


def test_a_run_is_not_resumed_on_other_data_or_with_other_settings(place, capsys):
    assert train(place, 'run', '--steps', '1') == 0
    assert train(place, 'run', '--steps', '2', '--resume', '--learning-rate', '1e-3') == 1
    assert 'another training' in ' '.join(capsys.readouterr().err.split())
    save_metadata(place / 'data' / 'episode_0', EpisodeMetadata(
        task=TASK, robot='interbotix', mode='scripted', software_version='1', started_ns=0,
        label=EpisodeLabel(outcome='failure')))
    assert train(place, 'run', '--steps', '2', '--resume') == 1
    assert 'other data' in ' '.join(capsys.readouterr().err.split())


def test_data_that_reach_further_than_those_before_take_new_statistics(place, capsys):
    assert train(place, 'before', '--steps', '1') == 0
    path = place / 'before' / 'model' / 'statistics.json'
    statistics = json.loads(path.read_text())
    narrow = {name: [value / 4 for value in values] for name, values in statistics.items()}
    path.write_text(json.dumps(narrow))
    init = ('--steps', '1', '--init', str(place / 'before' / 'model'))
    assert train(place, 'refused', *init) == 1
    assert 'new_statistics takes those of the data' in ' '.join(capsys.readouterr().err.split())
    assert train(place, 'after', *init, '--new-statistics') == 0
    assert json.loads((place / 'after' / 'model' / 'statistics.json').read_text()) == statistics


def torchrun(place, output, *options):
    """Run the command in two processes."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone',
               '--nproc-per-node', '2', '-m', 'cosmos_policy_ros.cli.main', 'train',
               '--data', str(place / 'data'), '--cache', str(place / 'cache'),
               '--config', str(place / 'config'), '-o', str(place / output), *QUICK,
               '--optimiser', 'adamw', '--ema-decay', '0', *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_sharded_run_goes_on_from_its_shards_and_equals_one_process(place):
    assert train(place, 'alone', '--steps', '3', '--optimiser', 'adamw', '--ema-decay', '0') == 0
    torchrun(place, 'shards', '--shard', '--steps', '2')
    newest = place / 'shards' / 'checkpoints' / 'step_00000002'
    assert (newest / 'model' / '.metadata').is_file()
    assert load_checkpoint(newest).is_trained
    torchrun(place, 'shards', '--shard', '--steps', '3', '--resume')
    sharded = weights(place, 'shards')
    for name, tensor in weights(place, 'alone').items():
        torch.testing.assert_close(sharded[name], tensor, rtol=1e-3, atol=1e-5)


def test_processes_share_batches_and_equal_one_process(place):
    assert train(place, 'alone', '--steps', '3', '--ema-decay', '0') == 0
    assert train(place, 'together', '--steps', '2', '--ema-decay', '0', '--processes', '2') == 0
    assert train(place, 'together', '--steps', '3', '--ema-decay', '0', '--resume') == 0
    together = weights(place, 'together')
    for name, tensor in weights(place, 'alone').items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-3, atol=1e-5)


def test_a_training_process_that_dies_is_told_and_the_run_goes_on_without_it(place):
    command = [sys.executable, '-m', 'cosmos_policy_ros.cli.main', 'train',
               '--data', str(place / 'data'), '--cache', str(place / 'cache'),
               '--config', str(place / 'config'), '-o', str(place / 'run'), *QUICK,
               '--minutes', '5', '--checkpoint-minutes', '0.01', '--processes', '2']
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)
    while not list((place / 'run').glob('checkpoints/step_*')):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.1)
    companion = next(child for child in psutil.Process(running.pid).children()
                     if 'spawn_main' in ' '.join(child.cmdline()))
    companion.kill()
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert '1 of 2 training processes ended (exit status -9)' in ' '.join(errors.split())
    assert train(place, 'run', '--minutes', '0.001', '--resume') == 0


def test_a_dry_run_tells_the_memory_and_trains_nothing(place, capsys):
    assert train(place, 'run', '--steps', '1', '--dry-run') == 0
    assert 'GB in each process' in capsys.readouterr().out
    assert not (place / 'run' / 'model').exists()


def test_sharding_needs_processes(place, capsys):
    assert train(place, 'run', '--steps', '1', '--shard') == 1
    assert 'torchrun' in capsys.readouterr().err
