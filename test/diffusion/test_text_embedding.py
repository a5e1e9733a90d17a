# SPDX-License-Identifier: Apache-2.0
"""Text embeddings: exact lookup, strict reading."""

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
    loaded = load_text_embeddings(tmp_path / 'text.safetensors', **SHAPE)
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
        load_text_embeddings(tmp_path / 'text.safetensors', **SHAPE)


@pytest.mark.parametrize('content', [None, b'', b'not safetensors at all'])
def test_a_missing_or_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / 'text.safetensors'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match='cannot read text embeddings'):
        load_text_embeddings(path, **SHAPE)
