# SPDX-License-Identifier: Apache-2.0
"""Encoding only what a query needs gives the bits that encoding everything gives."""

import pytest
import torch

from cosmos_policy_ros.diffusion.latent_layout import ALOHA
from cosmos_policy_ros.diffusion.observation_encoder import sequence_video
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8


@pytest.fixture
def views():
    """Three random images."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(params=['tiny_checkpoint', 'tiny_patch_checkpoint'])
def model(request):
    """The tiny model, once with each autoencoder."""
    return request.getfixturevalue(request.param).model


@pytest.fixture
def whole(views, model):
    """Latents of all 41 frames, future images standing in as the current ones."""
    video = sequence_video(ALOHA, views[None], views[None])
    with torch.no_grad():
        return model.autoencoder.encode(video_from_uint8(video))


def test_the_conditioning_frames_equal_those_of_the_whole_bit_by_bit(views, whole, model):
    encoded = model.observation_encoder().encode(views)
    assert encoded.latents.shape[2] == ALOHA.action
    assert torch.equal(encoded.latents, whole[:, :, :ALOHA.action])


def test_the_preview_frames_equal_those_of_the_whole_bit_by_bit(views, whole, model):
    encoder = model.observation_encoder()
    latents = encoder.encode_preview_frames(encoder.encode(views))
    assert torch.equal(latents, whole[:, :, :ALOHA.future_proprio + 1])


def test_one_query_does_not_change_the_next(views, model):
    encoder = model.observation_encoder()
    first = encoder.encode(views)
    encoder.encode_preview_frames(encoder.encode(255 - views))
    assert torch.equal(encoder.encode(views).latents, first.latents)


def test_a_sequence_shows_every_image_four_times_after_one_blank_frame(views):
    video = sequence_video(ALOHA, views[None], 255 - views[None])[0].permute(1, 2, 3, 0)
    assert len(video) == ALOHA.num_video_frames == 41
    expected = torch.zeros_like(video)
    for start, images in ((5, views), (25, 255 - views)):
        expected[start:start + 12] = images.repeat_interleave(4, dim=0)
    assert torch.equal(video, expected)
