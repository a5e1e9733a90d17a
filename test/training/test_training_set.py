# SPDX-License-Identifier: Apache-2.0
"""Batches from episodes."""

import numpy as np
import pytest
from synthetic_data import labelled, training_set
import torch

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.preprocessing import crop_and_restore
from cosmos_policy_ros.training.sample_kind import SampleKind
from cosmos_policy_ros.training.settings import SampleSettings
from cosmos_policy_ros.training.training_set import action_chunk


def kinds_of(dataset, batches=20):
    """Kinds of the samples of some batches."""
    return torch.cat([dataset[i].kinds for i in range(batches)])


def same(first, second):
    """Whether two batches are equal bit by bit."""
    return all(torch.equal(a, getattr(second, name)) for name, a in vars(first).items())


def test_a_batch_depends_on_seed_and_number_alone(small_config):
    dataset = training_set(small_config)
    assert same(dataset[3], training_set(small_config)[3])
    assert not same(dataset[3], dataset[4])
    assert not same(dataset[3], training_set(small_config, seed=1)[3])


def test_processes_share_a_batch_without_gap_or_overlap(small_config):
    whole = training_set(small_config)[2]
    parts = [training_set(small_config, rank=rank, num_processes=2)[2] for rank in range(2)]
    for name, tensor in vars(whole).items():
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), tensor)


def test_half_are_policy_samples_and_a_quarter_of_each_other_kind(small_config):
    kinds = kinds_of(training_set(small_config, batch_size=64))
    shares = [(kinds == kind).double().mean().item() for kind in SampleKind]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.04)


def test_policy_samples_come_from_demonstrations_that_succeeded(small_config):
    good, bad = labelled('good'), labelled('bad', score=0.0, seed=1)
    rollout = labelled('rollout', is_demonstration=False, seed=2)
    dataset = training_set(small_config, [good, bad, rollout], batch_size=64,
                           samples=SampleSettings(demonstration_share=1.0))
    starts = {tuple(np.round(row, 4)) for row in dataset[0].proprio.numpy()}
    allowed = {tuple(np.round(row, 4)) for row in dataset._statistics.proprio.normalise(
        good.episode.proprio).astype(np.float32)}
    assert starts <= allowed


def test_failures_are_worth_minus_one(small_config):
    dataset = training_set(
        small_config, [labelled('good'), labelled('bad', score=0.0)], batch_size=64,
        samples=SampleSettings(demonstration_share=0.0, success_share=0.0))
    assert (dataset[0].values == -1).all()


def test_partial_successes_keep_their_worth(small_config):
    dataset = training_set(
        small_config, [labelled('good'), labelled('half', score=0.5)], batch_size=64,
        samples=SampleSettings(demonstration_share=0.0, success_share=0.0))
    assert dataset[0].values.max() == pytest.approx(0.0, abs=1e-6)


def test_a_task_done_in_part_is_worth_nothing_where_only_success_counts(small_config):
    dataset = training_set(
        small_config, [labelled('good'), labelled('half', score=0.5)], batch_size=64,
        samples=SampleSettings(
            demonstration_share=0.0, success_share=0.0, partial_scores=False))
    assert (dataset[0].values == -1).all()


def test_a_chunk_repeats_the_last_action_after_the_end():
    actions = np.arange(10.0)[:, None]
    assert action_chunk(actions, 7, 5)[:, 0].tolist() == [7, 8, 9, 9, 9]


def test_the_future_is_where_the_chunk_ends(small_config):
    item = labelled(steps=40)
    batch = training_set(small_config, [item], batch_size=32)[0]
    joints = training_set(small_config, [item])._statistics.proprio.normalise(
        item.episode.proprio).astype(np.float32)
    start = np.array([np.abs(joints - row).sum(axis=1).argmin() for row in batch.proprio.numpy()])
    end = np.minimum(start + small_config.chunk_size, 39)
    np.testing.assert_allclose(batch.future_proprio, joints[end], atol=1e-6)
    seen = crop_and_restore(torch.from_numpy(item.episode.images[end].reshape(-1, 32, 32, 3)))
    assert torch.equal(batch.future.flatten(0, 1), seen)


@pytest.mark.parametrize('steps', [40, 41])
def test_samples_begin_and_end_where_images_are_new_if_they_must(small_config, steps):
    item = labelled(steps=steps, image_every=3)
    data = training_set(small_config, [item], batch_size=64,
                        samples=SampleSettings(max_image_age_s=0.02))
    batch, joints = data[0], data._statistics.proprio.normalise(
        item.episode.proprio).astype(np.float32)
    start, end = (
        np.array([np.abs(joints - row).sum(axis=1).argmin() for row in rows.numpy()])
        for rows in (batch.proprio, batch.future_proprio))
    assert not (start % 3).any() and not (end % 3).any()
    assert (end == np.minimum(start + small_config.chunk_size, (steps - 1) // 3 * 3)).all()
    assert len(data) == (steps + 2) // 3


def test_any_age_of_images_will_do_by_default(small_config):
    assert len(training_set(small_config, [labelled(steps=40, image_every=4)])) == 40


def test_an_episode_without_a_new_image_is_named(small_config):
    item = labelled('stale')
    item.episode.image_ages_s[:] = 0.3
    with pytest.raises(ConfigurationError, match='max_image_age_s is 0.02.*stale.*0.3 s old'):
        training_set(small_config, [item], samples=SampleSettings(max_image_age_s=0.02))


def test_validation_samples_are_spread_over_all_demonstrations(small_config):
    batch = training_set(small_config).fixed(10, seed=0)
    assert len(batch) == 10 and (batch.kinds == SampleKind.POLICY).all()
    assert same(batch, training_set(small_config).fixed(10, seed=0))
    assert len(np.unique(batch.proprio.numpy(), axis=0)) == 10


def test_augmented_samples_are_also_repeatable_and_differ_from_plain_ones(small_config):
    def images(augmentation):
        return training_set(
            small_config, samples=SampleSettings(augmentation=augmentation))[0].current
    assert torch.equal(images('strong'), images('strong'))
    assert not torch.equal(images('strong'), images('none'))


@pytest.mark.parametrize(('episodes', 'settings', 'text'), [
    ([labelled(score=0.0)], {}, 'successful demonstration'),
    ([labelled(is_demonstration=False)], {}, 'successful demonstration'),
    ([labelled(task='fly')], {}, "'fly'"),
    ([labelled()], {'batch_size': 7, 'num_processes': 2}, 'batch_size 7')])
def test_what_cannot_be_learned_from_is_refused(small_config, episodes, settings, text):
    with pytest.raises(ConfigurationError, match=text):
        training_set(small_config, episodes, **settings)
