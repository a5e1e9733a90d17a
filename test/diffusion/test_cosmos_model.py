# SPDX-License-Identifier: Apache-2.0
"""The assembled model: what is clean stays, what is denoised depends on it and on the seed."""

from copy import deepcopy

import pytest
import torch

from cosmos_policy_ros.diffusion.latent_injection import extract_vector
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole


@pytest.fixture(scope='module')
def model(tiny_checkpoint):
    """The tiny model."""
    return tiny_checkpoint.model


@pytest.fixture(scope='module')
def text(tiny_checkpoint):
    """Keys and values of a task."""
    embeddings = tiny_checkpoint.text_embeddings
    return tiny_checkpoint.model.encode_text(embeddings.embedding(embeddings.tasks[0]))


@pytest.fixture(scope='module')
def clean(model):
    """Random clean latents of a whole sequence."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, *model.sequence_shape, generator=generator)


@pytest.mark.parametrize('role', NetworkRole)
def test_exactly_the_clean_frames_of_a_role_come_back_unchanged(model, clean, text, role):
    latents = model.sample(clean, role=role, text=text, seeds=[0])
    unchanged = (latents == clean).all(dim=(0, 1, 3, 4)).nonzero().flatten().tolist()
    assert tuple(unchanged) == model.layout.clean_frames(role)


def test_what_a_role_denoises_is_not_read_from_the_clean_latents(model, clean, text):
    garbage = clean.clone()
    garbage[:, :, model.layout.action:] = 1e6
    kept = clean[:, :, :model.layout.action]
    first, second = (model.sample(given, role=NetworkRole.POLICY, text=text, seeds=[0])
                     for given in (garbage, kept))
    assert torch.equal(first, second)


def test_a_batch_of_seeds_equals_the_seeds_one_by_one(model, clean, text):
    batch = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[3, 4])
    single = [model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[seed])
              for seed in (3, 4)]
    torch.testing.assert_close(batch, torch.cat(single), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(batch[0], batch[1], atol=1e-2)


def test_equal_seeds_in_a_batch_give_equal_samples(model, clean, text):
    batch = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[7, 3, 7])
    single = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[7])
    for index in (0, 2):
        torch.testing.assert_close(batch[index], single[0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(batch[0], batch[1], atol=1e-2)


def test_looking_further_starts_from_the_imagined_images_and_joints(model, clean, text):
    latents = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[0, 1])
    advanced = model.advance(latents)
    layout = model.layout
    assert advanced.shape[2] == layout.action
    assert torch.equal(advanced[:, :, layout.blank], latents[:, :, layout.blank])
    for view, frame in layout.current_views.items():
        assert torch.equal(advanced[:, :, frame], latents[:, :, layout.future_views[view]])
    joints = extract_vector(advanced, layout.proprio, 14)
    torch.testing.assert_close(joints, model.future_proprio(latents))
    stale = extract_vector(latents, layout.proprio, 14)
    assert not torch.allclose(joints, stale, atol=1e-2)


def test_the_observation_and_the_joints_reach_the_action(model, clean, text):
    def action(latents):
        return model.action_chunk(
            model.sample(latents, role=NetworkRole.POLICY, text=text, seeds=[0]))
    reference = action(clean)
    assert reference.shape == (1, 6, 14)
    assert not torch.equal(action(model.inject_proprio(clean, torch.ones(1, 14))), reference)
    changed = clean.clone()
    changed[:, :, model.layout.current_views['primary']] += 1
    assert not torch.equal(action(changed), reference)


def test_the_value_of_a_future_state_ignores_the_current_one(model, clean, text):
    changed = clean.clone()
    changed[:, :, model.layout.proprio:model.layout.future_proprio] += 1
    values = [model.raw_value(model.sample(
        given, role=NetworkRole.STATE_VALUE, text=text, seeds=[0])) for given in (clean, changed)]
    assert torch.equal(*values)


def test_preview_images_come_one_per_view_in_pixels(model, clean, text):
    latents = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[0, 1])
    images = model.decode_future_images(latents, clean)
    assert list(images) == ['left_wrist', 'right_wrist', 'primary']
    assert all(image.shape == (2, 32, 32, 3) and image.dtype == torch.uint8
               for image in images.values())


def test_injected_vectors_and_the_value_do_not_show_in_the_preview(model, clean, text):
    latents = model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[0])
    changed = latents.clone()
    changed[:, :, [*model.layout.blank_in_video, model.layout.value]] = 5.0
    before, after = (model.decode_future_images(given, clean) for given in (latents, changed))
    assert all(torch.equal(before[view], after[view]) for view in before)


def test_in_bfloat16_the_sampler_still_works_in_single_precision(tiny_checkpoint, clean, text):
    half = deepcopy(tiny_checkpoint.model).to(torch.bfloat16)
    embeddings = tiny_checkpoint.text_embeddings
    half_text = half.encode_text(embeddings.embedding(embeddings.tasks[0]))
    exact = tiny_checkpoint.model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[0])
    rounded = half.sample(clean, role=NetworkRole.POLICY, text=half_text, seeds=[0])
    assert rounded.dtype == torch.float32
    difference = (rounded - exact).abs()
    assert 0 < difference.mean() < 0.05


@pytest.mark.parametrize('num_committed', [0, 1, 5, 6])
def test_a_chunk_begins_with_the_committed_actions_and_nothing_clean_changes(
        model, clean, text, num_committed):
    committed = torch.linspace(-0.9, 0.9, 6 * 14).reshape(6, 14)[:num_committed]
    free, held = (model.sample(clean, role=NetworkRole.POLICY, text=text, seeds=[3, 4],
                               committed=given) for given in (None, committed))
    chunks = model.action_chunk(held)
    torch.testing.assert_close(chunks[:, :num_committed], committed.expand(2, -1, -1))
    if num_committed == 0:
        assert torch.equal(held, free)
    elif num_committed < 6:
        assert not torch.equal(chunks[:, num_committed:],
                               model.action_chunk(free)[:, num_committed:])
    assert torch.equal(held[:, :, :model.layout.action], free[:, :, :model.layout.action])
