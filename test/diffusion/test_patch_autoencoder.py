# SPDX-License-Identifier: Apache-2.0
"""The patch autoencoder: an orthonormal projection, frame by frame."""

from hypothesis import given, settings, strategies as st
import pytest
import torch

from cosmos_policy_ros.diffusion.config import PatchAutoencoderConfig
from cosmos_policy_ros.diffusion.patch_autoencoder import (
    COEFFICIENTS, cosine_basis, PatchAutoencoder)
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8, VideoAutoencoder

SCALES = torch.tensor([row[3] for row in COEFFICIENTS]).view(1, -1, 1, 1, 1)


@pytest.fixture
def autoencoder():
    """The autoencoder."""
    return PatchAutoencoder()


def random_video(num_frames, *, batch=1, size=24, seed=0):
    """Random frames in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, num_frames, size, size, generator=generator) * 2 - 1


def test_it_is_a_video_autoencoder_with_the_promised_number_of_channels(autoencoder):
    assert isinstance(autoencoder, VideoAutoencoder)
    assert len(COEFFICIENTS) == PatchAutoencoderConfig().latent_channels


def test_the_coefficients_are_orthonormal():
    basis = cosine_basis().flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis), dtype=torch.float64))


@settings(deadline=None, max_examples=25)
@given(first=st.integers(0, 3), second=st.integers(1, 3), third=st.integers(0, 2),
       batch=st.integers(1, 2), size=st.sampled_from([8, 24, 96]))
def test_encoding_in_pieces_equals_encoding_the_whole_bit_by_bit(
        first, second, third, batch, size):
    autoencoder = PatchAutoencoder()
    video = random_video(1 + 4 * (first + second + third), batch=batch, size=size)
    pieces, state = [], None
    for piece in video.split([1 + 4 * first, 4 * second, *[4 * third] * (third > 0)], dim=2):
        latents, state = autoencoder.encode_more(piece, state)
        pieces.append(latents)
    assert torch.equal(torch.cat(pieces, dim=2), autoencoder.encode(video))


def test_the_last_of_every_four_frames_counts_and_nothing_else(autoencoder):
    video = random_video(9)
    changed = video.clone()
    changed[:, :, [1, 2, 3, 5, 6, 7]] = 0
    assert torch.equal(autoencoder.encode(changed), autoencoder.encode(video))
    changed[:, :, 4] = 0
    different = (autoencoder.encode(changed) != autoencoder.encode(video)).any(dim=(0, 1, 3, 4))
    assert different.tolist() == [False, True, False]


def test_decoding_then_encoding_is_the_identity_on_latents(autoencoder):
    latents = torch.randn(2, 16, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    video = autoencoder.decode(latents)
    assert video.shape == (2, 3, 9, 16, 24)
    torch.testing.assert_close(autoencoder.encode(video), latents, atol=1e-5, rtol=1e-5)


def test_what_is_lost_is_orthogonal_to_what_is_kept(autoencoder):
    video = random_video(1)
    kept = autoencoder.decode(autoencoder.encode(video))
    assert abs((kept * (video - kept)).sum()) < 1e-3
    assert 0 < kept.square().sum() < video.square().sum()


def test_scaled_latents_keep_the_inner_product_with_decoded_ones(autoencoder):
    video = random_video(1)
    latents = torch.randn(1, 16, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    in_pixels = (video * autoencoder.decode(latents)).sum()
    in_latents = (autoencoder.encode(video) * latents * SCALES**2).sum()
    torch.testing.assert_close(in_pixels, in_latents)


@pytest.mark.parametrize('colour', [
    (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 200, 30), (10, 40, 250)])
def test_a_plain_colour_survives(autoencoder, colour):
    pixels = torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1, 1).expand(1, 3, 1, 16, 16)
    video = video_from_uint8(pixels)
    torch.testing.assert_close(
        autoencoder.decode(autoencoder.encode(video)), video, atol=1e-5, rtol=0)


def test_a_decoded_image_is_shown_four_times_but_the_first(autoencoder):
    frames = autoencoder.decode(torch.randn(1, 16, 3, 1, 1)).unbind(2)
    assert len(frames) == 9
    assert all(torch.equal(frames[1], frame) for frame in frames[2:5])
    assert all(torch.equal(frames[5], frame) for frame in frames[6:])
    assert not torch.equal(frames[0], frames[1])


def test_latents_are_in_single_precision_whatever_the_video_is(autoencoder):
    video = random_video(5)
    latents = autoencoder.encode(video.to(torch.bfloat16))
    assert latents.dtype == torch.float32
    assert autoencoder.decode(latents.to(torch.bfloat16)).dtype == torch.float32


def test_one_pixel_that_is_not_a_number_spoils_its_own_patch_only(autoencoder):
    video = random_video(1)
    video[0, 0, 0, 9, 17] = float('nan')
    spoilt = autoencoder.encode(video).isnan().all(dim=1)[0, 0]
    assert spoilt.nonzero().tolist() == [[1, 2]]
