# SPDX-License-Identifier: Apache-2.0
"""Configurations of checkpoints, and the names and shapes of the released 2B network."""

import json
from math import prod

from diffusion.released_layout import POLICY
import pytest
import torch
from torch.serialization import skip_data

from cosmos_policy_ros.diffusion.checkpoint import load_transformer_weights
from cosmos_policy_ros.diffusion.checkpoint_config import read_checkpoint_config
from cosmos_policy_ros.diffusion.checkpoint_files import checkpoint_files
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint, known_checkpoints
from cosmos_policy_ros.diffusion.config import load_config
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer
from cosmos_policy_ros.errors import CheckpointError

WIDTH, TEXT, HEAD, MLP, RANK, NUM_BLOCKS = 2048, 1024, 128, 8192, 256, 28


def attention_shapes(name, context):
    """Shapes of an attention layer."""
    return {f'{name}.q_proj': (WIDTH, WIDTH), f'{name}.k_proj': (WIDTH, context),
            f'{name}.v_proj': (WIDTH, context), f'{name}.output_proj': (WIDTH, WIDTH),
            f'{name}.q_norm': (HEAD,), f'{name}.k_norm': (HEAD,)}


def block_shapes(name):
    """Shapes of a block."""
    modulation = {}
    for layer in ('self_attn', 'cross_attn', 'mlp'):
        modulation[f'{name}.adaln_modulation_{layer}.1'] = (RANK, WIDTH)
        modulation[f'{name}.adaln_modulation_{layer}.2'] = (3 * WIDTH, RANK)
    return {**attention_shapes(f'{name}.self_attn', WIDTH),
            **attention_shapes(f'{name}.cross_attn', TEXT), **modulation,
            f'{name}.mlp.layer1': (MLP, WIDTH), f'{name}.mlp.layer2': (WIDTH, MLP)}


@pytest.fixture(scope='module')
def released_shapes():
    """Names and shapes of the released 2B network, written out from its description."""
    shapes = {
        'x_embedder.proj.1': (WIDTH, 72), 't_embedder.1.linear_1': (WIDTH, WIDTH),
        't_embedder.1.linear_2': (3 * WIDTH, WIDTH), 't_embedding_norm': (WIDTH,),
        'final_layer.linear': (64, WIDTH), 'final_layer.adaln_modulation.1': (RANK, WIDTH),
        'final_layer.adaln_modulation.2': (2 * WIDTH, RANK)}
    for index in range(NUM_BLOCKS):
        shapes |= block_shapes(f'blocks.{index}')
    return {f'net.{name}.weight': shape for name, shape in shapes.items()}


def test_the_released_2b_network_fits_ours_name_by_name(released_shapes):
    config = load_config(known_checkpoints()['aloha_2b'] / 'config.json')
    with torch.device('meta'):
        transformer = DiffusionTransformer(config.transformer, latent_channels=16)
        tensors = {name: torch.empty(shape, dtype=torch.bfloat16)
                   for name, shape in released_shapes.items()}
    load_transformer_weights(transformer, tensors)
    assert sum(map(prod, released_shapes.values())) == 1_956_413_440
    del tensors['net.blocks.27.cross_attn.k_norm.weight']
    with pytest.raises(CheckpointError, match='1 missing: blocks.27.cross_attn.k_norm.weight'):
        load_transformer_weights(transformer, tensors)


def config_of(name, **options):
    """Configuration of a named checkpoint."""
    return read_checkpoint_config(checkpoint_files(find_checkpoint(name)), **options)


@pytest.fixture
def released_2b(tmp_path, released_shapes):
    """A folder with a released file of true size, in which no byte of the weights is stored."""
    folder = tmp_path / POLICY
    folder.mkdir()
    with skip_data():
        torch.save({name: torch.empty(shape, dtype=torch.bfloat16)
                    for name, shape in released_shapes.items()}, folder / f'{POLICY}.pt')
    (folder / 'config.json').write_text(json.dumps({'model_type': 'cosmos-policy'}))
    return folder


@pytest.mark.usefixtures('hub_cache')
def test_the_released_2b_network_is_recognised_by_its_shapes_alone(released_2b):
    assert (released_2b / f'{POLICY}.pt').stat().st_size > 3.9e9
    for path in (released_2b, released_2b / f'{POLICY}.pt'):
        assert config_of(path) == config_of('aloha_2b')


def test_a_known_model_has_its_own_configuration():
    assert config_of('aloha_small').image_size_px == 64
    assert config_of('aloha_small', asked='aloha_2b').image_size_px == 224
