# SPDX-License-Identifier: Apache-2.0
"""The Wan autoencoder: golden vectors and causality."""

import json

import pytest
import torch

from cosmos_policy_ros.diffusion.checkpoint import load_autoencoder_weights
from cosmos_policy_ros.diffusion.config import WanAutoencoderConfig
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8, VideoAutoencoder
from cosmos_policy_ros.diffusion.wan_autoencoder import WanAutoencoder
from cosmos_policy_ros.diffusion.wan_names import released_wan_name


@pytest.fixture(scope='module')
def autoencoder(golden):
    """The autoencoder with the golden weights."""
    network = WanAutoencoder(WanAutoencoderConfig(
        base_dim=4, latent_channels=16, channel_multipliers=(1, 2, 4, 4), num_res_blocks=2,
        temporal_downsample=(False, True, True))).eval()
    load_autoencoder_weights(network, {
        name.removeprefix('vae.'): tensor for name, tensor in golden('tokenizer').items()
        if name.startswith('vae.')})
    return network.requires_grad_(False)


@pytest.fixture
def video():
    """Nine random frames."""
    return torch.randn(1, 3, 9, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('case', ['t1', 't5', 't9'])
def test_latents_and_the_decoded_video_are_the_golden_ones_before_clipping(
        autoencoder, golden, case):
    arrays = golden('tokenizer')
    latents = autoencoder.encode(video_from_uint8(arrays[f'{case}.video_u8']))
    torch.testing.assert_close(latents, arrays[f'{case}.latent'], atol=5e-5, rtol=1e-4)
    decoded = autoencoder.decode(arrays[f'{case}.dec_in'])
    assert decoded.abs().max() > 1
    torch.testing.assert_close(decoded, arrays[f'{case}.dec_out'], atol=5e-5, rtol=1e-4)


def test_every_parameter_has_its_released_name(autoencoder, golden_directory):
    expected = json.loads((golden_directory / 'keymap_vae.json').read_text())
    assert {released_wan_name(name, num_res_blocks=2): name
            for name in autoencoder.wan.state_dict()} == expected


def test_encoding_in_pieces_equals_encoding_the_whole_bit_by_bit(autoencoder, video):
    first, state = autoencoder.encode_more(video[:, :, :5], None)
    second, _ = autoencoder.encode_more(video[:, :, 5:], state)
    assert torch.equal(torch.cat((first, second), dim=2), autoencoder.encode(video))


def test_a_state_can_be_continued_twice(autoencoder, video):
    _, state = autoencoder.encode_more(video[:, :, :5], None)
    first, _ = autoencoder.encode_more(video[:, :, 5:], state)
    again, _ = autoencoder.encode_more(video[:, :, 5:], state)
    assert torch.equal(first, again)


def test_a_latent_does_not_depend_on_later_frames(autoencoder, video):
    changed = video.clone()
    changed[:, :, 5:] = 0
    before, after = autoencoder.encode(video), autoencoder.encode(changed)
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert not torch.equal(before[:, :, 2], after[:, :, 2])


def test_a_decoded_frame_does_not_depend_on_later_latents(autoencoder):
    latents = torch.randn(1, 16, 3, 2, 2)
    whole, part = autoencoder.decode(latents), autoencoder.decode(latents[:, :, :2])
    assert torch.equal(whole[:, :, :5], part)


def test_it_is_a_video_autoencoder(autoencoder):
    assert isinstance(autoencoder, VideoAutoencoder)
