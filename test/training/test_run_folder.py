# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: complete checkpoints, whatever happens."""

import pytest
from synthetic_data import episode, texts
import torch

from cosmos_policy_ros.diffusion.checkpoint import load_checkpoint
from cosmos_policy_ros.diffusion.text_embedding import TextEmbeddings
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.training.data_statistics import compute_statistics
from cosmos_policy_ros.training.initial_weights import load_initial_weights, untrained_model
from cosmos_policy_ros.training.run_folder import RunFolder


@pytest.fixture
def parts(small_config):
    """What a checkpoint is made of."""
    return {'model': untrained_model(small_config, 0),
            'statistics': compute_statistics([episode()]),
            'text_embeddings': TextEmbeddings(by_task=texts(small_config))}


def test_a_checkpoint_is_one_that_every_command_loads(tmp_path, parts):
    folder = RunFolder(tmp_path)
    path = folder.save({'step': 7, 'mean_weights': []}, **parts)
    assert folder.checkpoints == [path]
    assert folder.load_state(path) == {'step': 7, 'mean_weights': []}
    loaded = load_checkpoint(path)
    assert loaded.is_trained and loaded.model.config.prediction == 'clean'
    for name, tensor in parts['model'].state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
    assert load_checkpoint(folder.export(**parts)).name == 'model'


def test_only_the_newest_stay(tmp_path, parts):
    folder = RunFolder(tmp_path, keep=2)
    for step in (1, 2, 30):
        folder.save({'step': step}, **parts)
    assert [path.name for path in folder.checkpoints] == ['step_00000002', 'step_00000030']


@pytest.mark.parametrize('error', [
    OSError(28, 'No space left on device'), RuntimeError('unexpected pos 64 vs 0')])
def test_a_full_disk_costs_the_new_checkpoint_and_not_the_old_one(
        tmp_path, parts, monkeypatch, error):
    folder = RunFolder(tmp_path)
    old = folder.save({'step': 1}, **parts)

    def refuse(*_, **__):
        raise error
    monkeypatch.setattr(torch, 'save', refuse)
    with pytest.raises(CheckpointError, match='step_00000002'):
        folder.save({'step': 2}, **parts)
    assert folder.checkpoints == [old] == list((tmp_path / 'checkpoints').iterdir())


def test_a_damaged_state_is_refused_and_runs_no_code(tmp_path, parts):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / 'ran'), 'w'))
    folder = RunFolder(tmp_path)
    path = folder.save({'step': 1}, **parts)
    torch.save(Bomb(), path / 'training.pt')
    with pytest.raises(CheckpointError, match='training.pt'):
        folder.load_state(path)
    assert not (tmp_path / 'ran').exists()
    (path / 'training.pt').write_bytes(b'short')
    with pytest.raises(CheckpointError, match='training.pt'):
        folder.load_state(path)


@pytest.mark.parametrize('kind', ['safetensors', 'pt'])
def test_weights_to_begin_with_are_really_loaded(tmp_path, small_config, parts, kind):
    path = RunFolder(tmp_path).export(**parts) / 'model.safetensors'
    if kind == 'pt':
        path = tmp_path / 'released.pt'
        torch.save({f'net.{name}': tensor for name, tensor
                    in parts['model'].transformer.state_dict().items()}, path)
    other = untrained_model(small_config, 1)
    load_initial_weights(other, path)
    for name, tensor in parts['model'].state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_weights_that_do_not_fit_are_refused(tmp_path, tiny_patch_config, parts):
    path = RunFolder(tmp_path).export(**parts) / 'model.safetensors'
    with pytest.raises(CheckpointError, match='positions'):
        load_initial_weights(untrained_model(tiny_patch_config, 0), path)
