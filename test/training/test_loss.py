# SPDX-License-Identifier: Apache-2.0
"""The denoising loss."""

import pytest
from synthetic_data import training_set
import torch

from cosmos_policy_ros.diffusion.latent_injection import extract_value, extract_vector
from cosmos_policy_ros.diffusion.observation_encoder import sequence_video
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.loss import clean_latents, DenoisingLoss, part_errors
from cosmos_policy_ros.training.sample_kind import SampleKind
from cosmos_policy_ros.training.settings import LossSettings


@pytest.fixture
def model(small_config):
    """A model that has learned nothing."""
    return untrained_model(small_config, seed=0)


@pytest.fixture
def batch(small_config):
    """A batch of all kinds."""
    return training_set(small_config, batch_size=16)[0]


def test_images_alone_are_encoded_as_in_a_video_bit_by_bit(model, batch):
    video = sequence_video(model.layout, batch.current, batch.future)
    encoded = model.autoencoder.encode(video_from_uint8(video))
    views = [*model.layout.current_views.values(), *model.layout.future_views.values(), 0]
    assert torch.equal(clean_latents(model, batch)[:, :, views], encoded[:, :, views])


def test_vectors_are_where_sampling_reads_them(model, batch):
    latents, layout = clean_latents(model, batch), model.layout
    torch.testing.assert_close(model.action_chunk(latents), batch.actions)
    torch.testing.assert_close(model.future_proprio(latents), batch.future_proprio)
    torch.testing.assert_close(extract_vector(latents, layout.proprio, 14), batch.proprio)
    torch.testing.assert_close(extract_value(latents, layout.value), batch.values)


def test_frames_that_were_given_cost_nothing_and_others_do(model, batch):
    loss = DenoisingLoss(model, LossSettings())
    denoised = loss.denoise(batch)
    first = {SampleKind.POLICY: 5, SampleKind.WORLD_MODEL: 6, SampleKind.VALUE: 10}
    for kind, losses in zip(batch.kinds.tolist(), denoised.frame_losses):
        assert (losses[:first[kind]] == 0).all()
        assert (losses[first[kind]:] > 0).all()


def test_the_loss_is_the_mean_of_the_weighted_frames(model, batch):
    loss = DenoisingLoss(model, LossSettings(action_weight=3.0, scale=2.0))
    denoised = loss.denoise(batch)
    weights = torch.ones(11)
    weights[5] = 3
    expected = 2 * (denoised.frame_losses * weights).mean()
    torch.testing.assert_close(loss.total(denoised, batch.kinds), expected)


def test_a_perfect_prediction_costs_nothing(model, batch):
    loss = DenoisingLoss(model, LossSettings())
    model.denoise = lambda noisy, sigma, *, clean, **given: clean
    assert float(loss.total(loss.denoise(batch), batch.kinds)) == 0


def test_errors_are_named_by_kind_and_part(model, batch):
    denoised = DenoisingLoss(model, LossSettings()).denoise(batch)
    errors = part_errors(model.layout, denoised, batch.kinds)
    assert len([name for name in errors if name.startswith('policy/')]) == 6
    assert 'world_model/action' not in errors and 'value/value' in errors
    policy = batch.kinds == SampleKind.POLICY
    action = (denoised.clean - denoised.predicted)[policy][:, :, model.layout.action]
    torch.testing.assert_close(errors['policy/action'], action.detach().abs().mean())


def test_a_batch_in_parts_has_the_same_samples(batch):
    parts = batch.split(4)
    assert [len(part) for part in parts] == [4] * 4
    assert torch.equal(torch.cat([part.actions for part in parts]), batch.actions)
