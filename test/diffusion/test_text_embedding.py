# SPDX-License-Identifier: Apache-2.0
"""Text embeddings: exact lookup, strict reading, also of the released pickles."""

import os
import pickle

from diffusion.released_layout import write_embeddings
import pytest
from safetensors.torch import save_file
import torch

from cosmos_policy_ros.diffusion.text_embedding import (
    load_text_embeddings, save_text_embeddings, TextEmbeddings)
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError

SHAPE = {'num_tokens': 3, 'text_dim': 4}


def test_saved_embeddings_are_read_back_equal(tmp_path):
    saved = TextEmbeddings(by_task={'fold shirt': torch.randn(3, 4), 'a b': torch.randn(3, 4)})
    save_text_embeddings(tmp_path / 'text.safetensors', saved)
    loaded = load_text_embeddings([tmp_path / 'text.safetensors'], **SHAPE)
    assert loaded.tasks == ('a b', 'fold shirt')
    assert torch.equal(loaded.embedding('fold shirt'), saved.embedding('fold shirt'))


@pytest.mark.parametrize('task', ['fold the shirt', 'Fold shirt', ''])
def test_an_unknown_task_is_refused_with_the_known_ones(task):
    embeddings = TextEmbeddings(by_task={'fold shirt': torch.zeros(3, 4)})
    with pytest.raises(ConfigurationError, match="knows: 'fold shirt'"):
        embeddings.embedding(task)


@pytest.mark.parametrize('content, text', [
    ({}, 'holds no text embedding'),
    ({'fold shirt': torch.zeros(2, 4)}, 'has shape'),
    ({'fold shirt': torch.full((3, 4), float('nan'))}, 'finite')])
def test_embeddings_that_do_not_fit_are_refused(tmp_path, content, text):
    save_file(content, tmp_path / 'text.safetensors')
    with pytest.raises(CheckpointError, match=text):
        load_text_embeddings([tmp_path / 'text.safetensors'], **SHAPE)


@pytest.mark.parametrize('content', [None, b'', b'not safetensors at all'])
def test_a_missing_or_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / 'text.safetensors'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match='cannot read text embeddings'):
        load_text_embeddings([path], **SHAPE)


def test_a_later_file_replaces_tasks_of_an_earlier_one(tmp_path):
    for name, value in (('first', 1.0), ('second', 2.0)):
        save_text_embeddings(tmp_path / name, TextEmbeddings(by_task={
            'fold shirt': torch.full((3, 4), value), name: torch.zeros(3, 4)}))
    loaded = load_text_embeddings([tmp_path / 'first', tmp_path / 'second'], **SHAPE)
    assert loaded.tasks == ('first', 'fold shirt', 'second')
    assert torch.equal(loaded.embedding('fold shirt'), torch.full((3, 4), 2.0))


def test_a_file_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'text.safetensors'
    save_text_embeddings(path, TextEmbeddings(by_task={'fold shirt': torch.zeros(3, 4)}))

    def fail(*_paths):
        raise OSError('no space left')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(CheckpointError, match='cannot write .*text.safetensors: no space left'):
        save_text_embeddings(path, TextEmbeddings(by_task={'wave': torch.ones(3, 4)}))
    assert load_text_embeddings([path], **SHAPE).tasks == ('fold shirt',)
    assert list(tmp_path.iterdir()) == [path]


def test_a_released_pickle_is_read_as_its_tensors(tmp_path):
    path = tmp_path / 'aloha_t5_embeddings.pkl'
    embedding = torch.randn(3, 4).bfloat16()
    write_embeddings(path, {'fold shirt': embedding, 'put candy in bag': torch.zeros(3, 4)})
    loaded = load_text_embeddings([path], **SHAPE)
    assert loaded.tasks == ('fold shirt', 'put candy in bag')
    assert torch.equal(loaded.embedding('fold shirt'), embedding)
    assert loaded.embedding('fold shirt').dtype is torch.bfloat16


def test_a_pickled_slice_of_a_larger_tensor_is_read(tmp_path):
    path = tmp_path / 't5_embeddings.pkl'
    both = torch.randn(2, 3, 4).bfloat16()
    path.write_bytes(pickle.dumps({'fold shirt': both[1:]}))
    assert torch.equal(load_text_embeddings([path], **SHAPE).embedding('fold shirt'), both[1])


class Bomb:
    """Creates a file where it is unpickled carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f'touch {self.path}',))


def inner_pickle(bomb):
    """A storage whose bytes are another pickle."""
    from torch.storage import _load_from_bytes

    class Storage:
        def __reduce__(self):
            return (_load_from_bytes, (pickle.dumps(bomb, 2),))

    return Storage()


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('content', [
    lambda bomb: bomb, lambda bomb: {'fold shirt': bomb}, lambda bomb: {bomb: torch.zeros(1)},
    lambda bomb: {'fold shirt': inner_pickle(bomb)}])
def test_code_in_a_released_pickle_is_refused_and_not_run(tmp_path, content):
    path = tmp_path / 'aloha_t5_embeddings.pkl'
    path.write_bytes(pickle.dumps(content(Bomb(tmp_path / 'executed'))))
    with pytest.raises(CheckpointError, match=r'aloha_t5_embeddings.pkl: .*system'):
        load_text_embeddings([path], **SHAPE)
    assert not (tmp_path / 'executed').exists()


@pytest.mark.parametrize('content, text', [
    ({}, 'holds no text embedding'), ([torch.zeros(1, 3, 4)], 'does not hold task texts'),
    ({7: torch.zeros(1, 3, 4)}, 'does not hold task texts'), ({'fold shirt': [1.0]}, 'shape'),
    ({'fold shirt': torch.zeros(2, 3, 4)}, r'shape \(1, tokens, channels\)'),
    ({'fold shirt': torch.zeros(1, 2, 4)}, r'has shape \(2, 4\)'),
    ({'fold shirt': torch.full((1, 3, 4), float('inf'))}, 'finite')])
def test_a_pickle_of_something_else_is_refused(tmp_path, content, text):
    path = tmp_path / 't5_embeddings.pkl'
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=text):
        load_text_embeddings([path], **SHAPE)


@pytest.mark.parametrize('share', [0.0, 0.2, 0.7, 0.99])
def test_a_truncated_pickle_is_refused(tmp_path, share):
    path = tmp_path / 't5_embeddings.pkl'
    write_embeddings(path, {'fold shirt': torch.zeros(3, 4)})
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match='t5_embeddings.pkl'):
        load_text_embeddings([path], **SHAPE)
