# SPDX-License-Identifier: Apache-2.0
"""The transformer against diffusers' implementation, against its real size, and as laws."""

import json
from pathlib import Path

import pytest
import torch

from cosmos_policy_ros.diffusion.checkpoint import load_transformer_weights
from cosmos_policy_ros.diffusion.config import load_config, TransformerConfig
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer, timestep_sinusoid

MODELS = Path(__file__).parents[2] / 'models'
GOLDEN_CONFIG = TransformerConfig(
    num_blocks=2, width=96, num_heads=4, mlp_ratio=4.0, adaln_lora_dim=16, text_dim=48,
    patch_size=2, rope_ratios=(1.0, 3.0, 3.0))


@pytest.fixture
def transformer(golden):
    """The transformer with the golden weights."""
    network = DiffusionTransformer(GOLDEN_CONFIG, latent_channels=16).eval()
    load_transformer_weights(network, {
        name: tensor for name, tensor in golden('dit').items() if name.startswith('net.')})
    return network.requires_grad_(False)


@pytest.fixture
def inputs():
    """Random latents, per-frame times, text and clean mask."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 16, 3, 6, 4, generator=generator)
    mask = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1)
    times = torch.rand(2, 3, generator=generator) * (1 - mask[:, 0, :, 0, 0])
    return latents, times, torch.randn(2, 5, 48, generator=generator), mask


def run(transformer, latents, times, text, mask):
    """Encode the text and predict the velocity."""
    return transformer(latents, times, transformer.encode_text(text), mask)


@pytest.mark.parametrize('case', ['a', 'b', 'c'])
def test_the_output_is_the_golden_one(transformer, golden, case):
    arrays = golden('dit')
    latents, times, text, mask, padding, expected = (
        arrays[f'{case}.{name}'] for name in (
            'x', 'timesteps', 'crossattn_emb', 'condition_mask', 'padding_mask', 'out'))
    output = transformer(latents, times, transformer.encode_text(text), mask, padding)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=0)


def test_the_output_is_that_of_diffusers(transformer, inputs, golden_directory):
    oracle = diffusers_transformer()
    names = json.loads((golden_directory / 'keymap_dit.json').read_text())
    weights = {names[name]: tensor for name, tensor in transformer.state_dict().items()}
    # The oracle resizes the padding mask with torchvision; leave out that channel of zeros.
    weights['patch_embed.proj.weight'] = weights['patch_embed.proj.weight'][:, :17 * 4]
    oracle.load_state_dict(weights)
    latents, times, text, mask = inputs
    expected = oracle(
        latents, timestep=times[:, None, :, None, None], encoder_hidden_states=text,
        condition_mask=mask.expand(2, 1, 3, 6, 4), return_dict=False)[0]
    torch.testing.assert_close(run(transformer, *inputs), expected, atol=1e-5, rtol=0)


def diffusers_transformer():
    """Build diffusers' class with the epsilon of the released model; skip without it."""
    try:
        from diffusers import CosmosTransformer3DModel
    except (ImportError, RuntimeError) as error:
        pytest.skip(f'diffusers offers no Cosmos transformer here: {error}')
    oracle = CosmosTransformer3DModel(
        in_channels=17, out_channels=16, num_attention_heads=4, attention_head_dim=24,
        num_layers=2, mlp_ratio=4.0, text_embed_dim=48, adaln_lora_dim=16,
        max_size=(128, 240, 240), patch_size=(1, 2, 2), rope_scale=(1.0, 3.0, 3.0),
        concat_padding_mask=False, extra_pos_embed_type=None)
    for block in oracle.transformer_blocks:
        for attention in (block.attn1, block.attn2):
            attention.norm_q.eps = attention.norm_k.eps = 1e-6
    return oracle.eval().requires_grad_(False)


def test_the_released_model_has_1956413440_parameters_under_the_released_names():
    config = load_config(MODELS / 'aloha_2b' / 'config.json').transformer
    with torch.device('meta'):
        network = DiffusionTransformer(config, latent_channels=16)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert sum(tensor.numel() for tensor in network.parameters()) == 1_956_413_440
    assert sum(tensor.numel() for tensor in network.blocks[0].parameters()) == 69_206_528
    assert shapes['x_embedder.proj.1.weight'] == (2048, 72)
    assert shapes['t_embedder.1.linear_2.weight'] == (6144, 2048)
    assert shapes['blocks.27.cross_attn.k_proj.weight'] == (2048, 1024)
    assert shapes['blocks.27.adaln_modulation_mlp.2.weight'] == (6144, 256)
    assert shapes['final_layer.adaln_modulation.2.weight'] == (4096, 256)
    assert shapes['final_layer.linear.weight'] == (64, 2048)


def test_the_released_model_maps_a_whole_sequence_to_one_of_the_same_shape():
    config = load_config(MODELS / 'aloha_2b' / 'config.json')
    with torch.device('meta'):
        network = DiffusionTransformer(config.transformer, latent_channels=16)
        text = network.encode_text(torch.empty(1, config.text_tokens, 1024))
        output = network(torch.empty(2, 16, 11, config.latent_size, config.latent_size),
                         torch.empty(2, 11), text, torch.empty(1, 1, 11, 1, 1))
    assert text.blocks[0][0].shape == (1, 512, 16, 128)
    assert output.shape == (2, 16, 11, 28, 28)


def test_text_keys_of_one_task_serve_a_whole_batch(transformer, inputs):
    latents, times, text, mask = inputs
    repeated = run(transformer, latents, times, text[:1].expand(2, -1, -1), mask)
    torch.testing.assert_close(run(transformer, latents, times, text[:1], mask), repeated)


def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch(transformer, inputs):
    latents, times, text, mask = inputs
    alone = run(transformer, latents[:1], times[:1], text[:1], mask)
    torch.testing.assert_close(run(transformer, *inputs)[:1], alone, atol=1e-5, rtol=1e-5)


def test_one_time_per_sample_means_that_time_in_every_frame(transformer, inputs):
    latents, times, text, mask = inputs
    once = run(transformer, latents, times[:, 1:2], text, mask)
    torch.testing.assert_close(
        run(transformer, latents, times[:, 1:2].expand(2, 3), text, mask), once)


def test_time_text_and_mask_all_change_the_output(transformer, inputs):
    latents, times, text, mask = inputs
    reference = run(transformer, *inputs)
    for changed in ((latents, times * 0.9, text, mask), (latents, times, text * 1.1, mask),
                    (latents, times, text, torch.zeros_like(mask))):
        assert (run(transformer, *changed) - reference).abs().max() > 1e-3


def test_in_bfloat16_the_times_are_rounded_before_they_are_embedded(transformer, inputs):
    transformer.to(torch.bfloat16)
    latents, _, text, mask = inputs
    outputs = [run(transformer, latents, torch.full((2, 3), time), text, mask)
               for time in (80 / 81, 0.98828125)]
    assert outputs[0].dtype == torch.bfloat16
    assert torch.equal(*outputs)


def test_the_sinusoid_starts_with_cosines():
    assert timestep_sinusoid(torch.zeros(1, 1), 8).tolist() == [[[1, 1, 1, 1, 0, 0, 0, 0]]]


def test_modulation_of_many_times_at_once_is_that_of_each(transformer, inputs):
    latents, times, text, mask = inputs
    encoded = transformer.encode_text(text)
    rows = transformer.modulate(times).rows()
    assert len(rows) == 2 and rows[0].blocks.is_contiguous()
    for row, time in zip(rows, times):
        expected = transformer(latents, time[None], encoded, mask)
        torch.testing.assert_close(
            transformer.velocity(latents, row, encoded, mask), expected, atol=1e-5, rtol=0)
