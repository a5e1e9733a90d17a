# SPDX-License-Identifier: Apache-2.0
"""The T5 encoder: embeddings as the released policies have them, misfits refused."""

import json
import shutil

from diffusion.released_layout import move_to_cache
from diffusion.tiny_t5 import write_tiny_t5
import pytest
from safetensors.torch import load_file, save_file
import torch

from cosmos_policy_ros.diffusion.text_encoder import TextEncoder
from cosmos_policy_ros.errors import CheckpointError, ConfigurationError

pytest.importorskip('transformers')
pytest.importorskip('sentencepiece')


@pytest.fixture(scope='module')
def tiny_t5(tmp_path_factory):
    """Folder of a tiny encoder; tests must not change it."""
    return write_tiny_t5(tmp_path_factory.mktemp('t5') / 'tiny')


@pytest.fixture(scope='module')
def encoder(tiny_t5):
    """That encoder."""
    return TextEncoder(str(tiny_t5), text_dim=12)


def test_an_embedding_equals_that_of_the_padded_and_masked_text(tiny_t5, encoder):
    from transformers import AutoTokenizer, T5EncoderModel
    tokenizer = AutoTokenizer.from_pretrained(tiny_t5)
    model = T5EncoderModel.from_pretrained(tiny_t5, dtype=torch.float32).eval()
    batch = tokenizer('fold the shirt', max_length=40, padding='max_length', truncation=True,
                      return_tensors='pt')
    with torch.no_grad():
        states = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    expected = states.last_hidden_state[0] * batch.attention_mask[0, :, None]
    embedding = encoder.encode('fold the shirt', 40)
    assert embedding.shape == (40, 12) and embedding.dtype is torch.bfloat16
    assert torch.allclose(embedding.float(), expected, atol=1e-6, rtol=2**-8)


def test_places_past_the_last_token_are_zero_and_the_others_are_not(encoder):
    embedding = encoder.encode('fold the shirt', 40)
    length = encoder.count_tokens('fold the shirt')
    assert 0 < length < 40
    assert embedding[:length].abs().amax(dim=1).min() > 0
    assert not embedding[length:].any()


def test_a_text_that_is_too_long_is_cut_and_still_ended(encoder):
    long, short = encoder.encode('fold the shirt', 4), encoder.encode('fold the shirt', 40)
    assert long.shape == (4, 12) and long.abs().amax(dim=1).min() > 0
    assert not torch.equal(long, short[:4])


def test_texts_differ_and_repeat(encoder):
    first, second = (encoder.encode(task, 20) for task in ('fold the shirt', 'fold the shirts'))
    assert not torch.equal(first, second)
    assert torch.equal(first, encoder.encode('fold the shirt', 20))


def test_another_width_is_refused_with_both_numbers(tiny_t5):
    with pytest.raises(ConfigurationError, match='is 12 wide.*of 1024 channels'):
        TextEncoder(str(tiny_t5), text_dim=1024)


def test_weights_in_a_pytorch_file_give_the_same_embedding(tiny_t5, tmp_path, encoder):
    folder = shutil.copytree(tiny_t5, tmp_path / 'older')
    torch.save(load_file(folder / 'model.safetensors'), folder / 'pytorch_model.bin')
    (folder / 'model.safetensors').unlink()
    older = TextEncoder(str(folder), text_dim=12)
    assert torch.equal(older.encode('wave', 20), encoder.encode('wave', 20))


def test_a_fetched_encoder_is_found_by_its_name(tiny_t5, hub_cache, tmp_path):
    move_to_cache(shutil.copytree(tiny_t5, tmp_path / 'copy'), hub_cache, 'google-t5/t5-tiny')
    assert TextEncoder('google-t5/t5-tiny', text_dim=12).encode('wave', 5).shape == (5, 12)


def test_an_encoder_that_was_not_fetched_is_refused_with_the_command_that_does(hub_cache):
    with pytest.raises(CheckpointError, match='cosmos-policy fetch google-t5/t5-11b'):
        TextEncoder('google-t5/t5-11b', text_dim=1024)


@pytest.mark.parametrize('name', ['model.safetensors', 'spiece.model'])
def test_a_damaged_file_is_refused(tiny_t5, tmp_path, name):
    folder = shutil.copytree(tiny_t5, tmp_path / 'damaged')
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:len(content) // 2])
    with pytest.raises(CheckpointError, match='cannot read text encoder .*damaged'):
        TextEncoder(str(folder), text_dim=12)


@pytest.mark.parametrize('name', ['model.safetensors', 'config.json', 'spiece.model'])
def test_a_missing_file_is_refused(tiny_t5, tmp_path, name):
    folder = shutil.copytree(tiny_t5, tmp_path / 'incomplete')
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match='cannot read text encoder .*incomplete'):
        TextEncoder(str(folder), text_dim=12)


def test_missing_weights_are_not_replaced_by_random_ones(tiny_t5, tmp_path):
    folder = shutil.copytree(tiny_t5, tmp_path / 'partial')
    tensors = load_file(folder / 'model.safetensors')
    name = 'encoder.block.1.layer.0.SelfAttention.q.weight'
    del tensors[name]
    save_file(tensors, folder / 'model.safetensors', metadata={'format': 'pt'})
    with pytest.raises(CheckpointError, match=f'partial lacks 1 weights.*{name}'):
        TextEncoder(str(folder), text_dim=12)


def test_weights_of_another_size_are_refused(tiny_t5, tmp_path):
    folder = shutil.copytree(tiny_t5, tmp_path / 'other')
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps({**config, 'd_ff': 20}))
    with pytest.raises(CheckpointError, match='other'):
        TextEncoder(str(folder), text_dim=12)
