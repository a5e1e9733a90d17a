# SPDX-License-Identifier: Apache-2.0
"""Checkpoint folders: read strictly, refused with the reason, written so that they read back."""

from dataclasses import replace
import json
import pickle
import shutil

import pytest
from safetensors.torch import load_file, save_file
import torch

from cosmos_policy_ros.diffusion.checkpoint import (
    default_dtype, load_checkpoint, save_checkpoint)
from cosmos_policy_ros.diffusion.config import save_config
from cosmos_policy_ros.diffusion.weight_files import read_tensors
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError


def save(checkpoint, folder):
    """Write a checkpoint into a folder."""
    save_checkpoint(folder, model=checkpoint.model, statistics=checkpoint.statistics,
                    text_embeddings=checkpoint.text_embeddings)
    return folder


@pytest.fixture(scope='module')
def saved(tmp_path_factory, tiny_checkpoint):
    """A folder with the tiny model; tests must not change it."""
    return save(tiny_checkpoint, tmp_path_factory.mktemp('saved') / 'tiny')


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of that folder, to be damaged."""
    return shutil.copytree(saved, tmp_path / 'tiny')


def change_weights(path, change):
    """Apply a change to the tensors of a file."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_a_saved_checkpoint_is_read_back_equal(saved, tiny_checkpoint):
    loaded = load_checkpoint(saved)
    expected = tiny_checkpoint.model.state_dict()
    assert loaded.name == 'tiny' and loaded.is_trained
    assert loaded.model.config == tiny_checkpoint.model.config
    assert loaded.text_embeddings.tasks == tiny_checkpoint.text_embeddings.tasks
    assert loaded.statistics.actions.lower.tolist() == (
        tiny_checkpoint.statistics.actions.lower.tolist())
    assert not loaded.model.training
    assert all(torch.equal(tensor, expected[name])
               for name, tensor in loaded.model.state_dict().items())


def test_weights_are_converted_to_the_precision_asked_for(saved):
    model = load_checkpoint(saved, dtype=torch.bfloat16).model
    assert {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize('device, dtype', [
    ('cpu', torch.float32), ('cuda', torch.bfloat16), (torch.device('cuda', 1), torch.bfloat16)])
def test_the_device_decides_the_precision_unless_asked_otherwise(device, dtype):
    assert default_dtype(device) is dtype


def test_a_patch_model_is_saved_without_autoencoder_weights_and_read_back_equal(
        tmp_path, tiny_patch_checkpoint):
    folder = save(tiny_patch_checkpoint, tmp_path / 'patch')
    assert sorted(path.name for path in folder.iterdir()) == [
        'config.json', 'model.safetensors', 'statistics.json', 'text_embeddings.safetensors']
    expected, loaded = tiny_patch_checkpoint.model, load_checkpoint(folder).model
    assert loaded.config == expected.config
    assert all(torch.equal(tensor, expected.state_dict()[name])
               for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize('name', ['vae.safetensors', 'vae.pt', 'tokenizer.pth'])
def test_a_patch_model_with_autoencoder_weights_is_refused(
        tmp_path, saved, tiny_patch_checkpoint, name):
    folder = save(tiny_patch_checkpoint, tmp_path / 'patch')
    shutil.copy(saved / 'vae.safetensors', folder / name)
    with pytest.raises(CheckpointError, match=f'patch autoencoder.*{name} is there too'):
        load_checkpoint(folder)


def test_the_released_layout_is_read_bookkeeping_and_all(folder, saved):
    tensors = load_file(folder / 'model.safetensors')
    assert all(name.startswith('net.') for name in tensors)
    released = {**tensors, 'net.pos_embedder.seq': torch.arange(5.0),
                'net.accum_iteration': torch.tensor(7), 'net_ema.x_embedder': torch.zeros(1),
                'net.blocks.0.self_attn.q_norm._extra_state': None}
    (folder / 'model.safetensors').unlink()
    torch.save(released, folder / 'model.pt')
    (folder / 'vae.safetensors').rename(folder / 'vae.st')
    torch.save(load_file(folder / 'vae.st'), folder / 'tokenizer.pth')
    expected = load_checkpoint(saved).model.state_dict()
    assert all(torch.equal(tensor, expected[name])
               for name, tensor in load_checkpoint(folder).model.state_dict().items())


@pytest.mark.parametrize('name', ['model.safetensors', 'vae.safetensors', 'statistics.json',
                                  'text_embeddings.safetensors', 'config.json'])
def test_a_missing_file_is_refused_by_name(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(folder)


@pytest.mark.parametrize('name', ['model.safetensors', 'vae.safetensors',
                                  'text_embeddings.safetensors'])
@pytest.mark.parametrize('share', [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused_by_name(folder, name, share):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:int(len(content) * share)])
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(folder)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.9])
def test_a_truncated_pytorch_file_is_refused_by_name(folder, share):
    torch.save(load_file(folder / 'model.safetensors'), folder / 'model.pt')
    (folder / 'model.safetensors').unlink()
    content = (folder / 'model.pt').read_bytes()
    (folder / 'model.pt').write_bytes(content[:int(len(content) * share)])
    with pytest.raises(CheckpointError, match='model.pt'):
        load_checkpoint(folder)


@pytest.mark.parametrize('change, text', [
    (lambda t: t.pop('net.final_layer.linear.weight'), '1 missing: final_layer.linear.weight'),
    (lambda t: t.update({'net.stranger': torch.zeros(1)}), '1 unexpected: stranger'),
    (lambda t: t.update({'net.t_embedding_norm.weight': torch.zeros(5)}),
     r'1 of another shape: t_embedding_norm.weight \(5,\) instead of \(48,\)'),
    (lambda t: t.update({'net.t_embedding_norm.weight': torch.zeros(48, dtype=torch.int8)}),
     '1 not floating-point: t_embedding_norm.weight')])
def test_weights_that_do_not_fit_are_refused_by_name(folder, change, text):
    change_weights(folder / 'model.safetensors', change)
    with pytest.raises(CheckpointError, match=text):
        load_checkpoint(folder)


def test_weights_of_another_architecture_are_refused(folder):
    shutil.copy(folder / 'vae.safetensors', folder / 'model.safetensors')
    with pytest.raises(CheckpointError, match='missing: .*, ...; .*unexpected: .*, ...'):
        load_checkpoint(folder)


def test_a_model_of_another_size_is_refused(folder, tiny_config):
    transformer = replace(tiny_config.transformer, width=96, num_heads=4)
    save_config(folder / 'config.json',
                replace(tiny_config, transformer=transformer, random_weights_seed=None))
    with pytest.raises(CheckpointError, match='of another shape'):
        load_checkpoint(folder)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
def test_a_pickle_that_would_run_code_is_refused(folder):
    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / 'executed'), 'w'))

    (folder / 'model.safetensors').unlink()
    torch.save({'net.x': Bomb()}, folder / 'model.pt')
    with pytest.raises(CheckpointError, match='model.pt'):
        load_checkpoint(folder)
    (folder / 'model.pt').write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match='model.pt'):
        load_checkpoint(folder)
    assert not (folder / 'executed').exists()


@pytest.mark.parametrize('content', [[torch.zeros(1)], {'net.x': 'a text'}])
def test_a_pytorch_file_that_holds_no_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'model.pt')
    with pytest.raises(CheckpointError, match='model.pt'):
        read_tensors(tmp_path / 'model.pt')


@pytest.mark.parametrize('key, value', [
    ('actions_min', [0.0] * 13), ('proprio_max', [1.0] * 15), ('actions_max', None)])
def test_statistics_of_the_wrong_length_are_refused(folder, key, value):
    content = json.loads((folder / 'statistics.json').read_text())
    (folder / 'statistics.json').write_text(json.dumps({**content, key: value}))
    with pytest.raises(CheckpointError, match=f'{key}.*expected a list of 14'):
        load_checkpoint(folder)


def test_statistics_of_a_constant_dimension_are_refused(folder):
    content = json.loads((folder / 'statistics.json').read_text())
    content['actions_max'][3] = content['actions_min'][3]
    (folder / 'statistics.json').write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match='dimension 3'):
        load_checkpoint(folder)


def test_random_weights_are_not_mixed_with_weight_files(folder, tiny_config):
    save_config(folder / 'config.json', tiny_config)
    with pytest.raises(CheckpointError, match='random_weights_seed 0.*model.safetensors'):
        load_checkpoint(folder)


def test_random_weights_are_the_same_every_time_and_say_that_they_are_untrained(
        folder, tiny_config):
    for name in ('model.safetensors', 'vae.safetensors'):
        (folder / name).unlink()
    save_config(folder / 'config.json', tiny_config)
    first, second = load_checkpoint(folder), load_checkpoint(folder)
    assert not first.is_trained
    assert all(torch.equal(a, b) for a, b in zip(
        first.model.state_dict().values(), second.model.state_dict().values()))


def test_a_broken_configuration_is_refused(folder):
    (folder / 'config.json').write_text('{}')
    with pytest.raises(ConfigurationError, match='lacks: action_dim'):
        load_checkpoint(folder)
