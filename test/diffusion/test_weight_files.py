# SPDX-License-Identifier: Apache-2.0
"""Weight files: every kind gives the same tensors, bookkeeping is dropped, no code is run."""

import io
import os
import pickle

from diffusion.released_layout import released_tensors
import pytest
from safetensors.torch import save_file
import torch
from torch.distributed import checkpoint as distributed

from cosmos_policy_ros.diffusion.weight_files import is_parameter, read_shapes, read_tensors
from cosmos_policy_ros.errors import CheckpointError


class Bomb:
    """Creates a file where it is unpickled carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f'touch {self.path}',))


def save_pytorch(tensors, path):
    torch.save(tensors, path)


def save_old_pytorch(tensors, path):
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def save_safetensors(tensors, path):
    save_file({name: value for name, value in tensors.items()
               if isinstance(value, torch.Tensor)}, path)


def save_distributed(tensors, path):
    distributed.save(tensors, checkpoint_id=path)


KINDS = [(save_pytorch, 'model.pt'), (save_old_pytorch, 'model.pt'),
         (save_safetensors, 'model.safetensors'), (save_distributed, 'model')]


@pytest.mark.filterwarnings('ignore:torch.distributed is disabled')
@pytest.mark.parametrize('save, name', KINDS)
def test_every_kind_of_file_gives_the_parameters_alone(tmp_path, tiny_checkpoint, save, name):
    save(released_tensors(tiny_checkpoint.model), tmp_path / name)
    expected = {f'net.{name}': tensor.bfloat16()
                for name, tensor in tiny_checkpoint.model.transformer.state_dict().items()}
    tensors = read_tensors(tmp_path / name)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) and tensor.dtype is torch.bfloat16
               for name, tensor in tensors.items())
    assert read_shapes(tmp_path / name) == {
        name: tensor.shape for name, tensor in expected.items()}


@pytest.mark.parametrize('name, expected', [
    ('net.blocks.0.mlp.layer1.weight', True), ('blocks.0.mlp.layer1.weight', True),
    ('net.pos_embedder.seq', False), ('pos_embedder.seq', False), ('net.accum_iteration', False),
    ('net_ema.blocks.0.mlp.layer1.weight', False),
    ('net.blocks.0.self_attn.q_norm._extra_state', False), ('encoder.conv1.weight', True)])
def test_bookkeeping_is_told_from_parameters(name, expected):
    assert is_parameter(name) == expected


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('name', ['net.x', 'net.q_norm._extra_state'])
@pytest.mark.parametrize('save', [save_pytorch, save_old_pytorch])
@pytest.mark.parametrize('read', [read_tensors, read_shapes])
def test_code_in_a_pytorch_file_is_refused_by_name_and_not_run(tmp_path, name, save, read):
    save({'net.a': torch.zeros(1), name: Bomb(tmp_path / 'executed')}, tmp_path / 'model.pt')
    with pytest.raises(CheckpointError, match=r'model.pt: it asks for \w+.system'):
        read(tmp_path / 'model.pt')
    assert not (tmp_path / 'executed').exists()


def test_an_unknown_class_is_refused_with_what_to_do(tmp_path):
    torch.save({'net.q_norm._extra_state': Bomb}, tmp_path / 'model.pt')
    with pytest.raises(CheckpointError, match='asks for .*Bomb.*write its tensors alone'):
        read_tensors(tmp_path / 'model.pt')


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('content', [
    b'', b'no weights', pickle.dumps({'net.a': 1}), pickle.dumps([io.BytesIO()])])
@pytest.mark.parametrize('name', ['model.pt', 'model.safetensors'])
@pytest.mark.parametrize('read', [read_tensors, read_shapes])
def test_what_is_no_weight_file_is_refused_by_name(tmp_path, content, name, read):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize('content', [[torch.zeros(1)], {'net.x': 'a text'}, {'net.x': {}}])
def test_a_pytorch_file_that_holds_no_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / 'model.pt')
    with pytest.raises(CheckpointError, match='model.pt'):
        read_tensors(tmp_path / 'model.pt')


@pytest.mark.parametrize('read', [read_tensors, read_shapes])
def test_a_missing_file_is_refused_by_name(tmp_path, read):
    with pytest.raises(CheckpointError, match='nowhere.pt'):
        read(tmp_path / 'nowhere.pt')
