# SPDX-License-Identifier: Apache-2.0
"""A run: it learns, and goes on where it was interrupted as if it had not been."""

from copy import deepcopy

import pytest
from synthetic_data import labelled, training_set
import torch

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.settings import BatchSettings, LossSettings, OptimiserSettings
from cosmos_policy_ros.training.trainer import Trainer
from cosmos_policy_ros.training.validation import validate

OPTIMISER = {'schedule': 'linear', 'warmup_steps': 2, 'learning_rate': 3e-3}


def build(config, *, optimiser='muon', **batches):
    """A trainer of a new model."""
    return Trainer(
        untrained_model(config, 0), settings=BatchSettings(**{'batch_size': 8, **batches}),
        optimiser=OptimiserSettings(optimiser=optimiser, **OPTIMISER), loss=LossSettings())


def losses(trainer, dataset, steps, *, of=8):
    """Train until a step and return the losses on the way."""
    return [trainer.learn(dataset[step], progress=step / of).loss
            for step in range(trainer.step, steps)]


@pytest.mark.parametrize('optimiser', ['adamw', 'muon'])
def test_a_resumed_run_has_the_same_losses_bit_by_bit(small_config, optimiser):
    dataset = training_set(small_config)
    whole = losses(build(small_config, optimiser=optimiser, ema_decay=0.9), dataset, 6)
    first = build(small_config, optimiser=optimiser, ema_decay=0.9)
    before = losses(first, dataset, 3)
    second = build(small_config, optimiser=optimiser, ema_decay=0.9)
    second.model.load_state_dict(deepcopy(first.model.state_dict()))
    second.load_state(deepcopy(first.state()))
    assert before + losses(second, dataset, 6) == whole


def test_a_batch_in_parts_changes_the_weights_as_a_whole_one(small_config):
    dataset = training_set(small_config)
    whole, parts = build(small_config), build(small_config, accumulation=4)
    for trainer in (whole, parts):
        losses(trainer, dataset, 2)
    for one, other in zip(whole.model.parameters(), parts.model.parameters()):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_recomputed_blocks_change_the_weights_alike(small_config):
    dataset = training_set(small_config)
    plain, recomputed = build(small_config), build(small_config, recompute=True)
    assert losses(recomputed, dataset, 3) == pytest.approx(losses(plain, dataset, 3), rel=1e-5)


def test_the_running_mean_is_lent_and_taken_back(small_config):
    trainer = build(small_config, ema_decay=0.9)
    losses(trainer, training_set(small_config), 3)
    weight = trainer.model.transformer.final_layer.linear.weight
    own = weight.detach().clone()
    with trainer.mean_weights() as model:
        assert not model.training and not torch.equal(weight, own)
    assert torch.equal(weight, own)


def test_it_learns_to_sample_the_only_episode_it_was_shown(small_config):
    item = labelled(steps=3)
    dataset = training_set(small_config, [item], batch_size=16)
    trainer = Trainer(
        untrained_model(small_config, 0), settings=BatchSettings(batch_size=16),
        loss=LossSettings(),
        optimiser=OptimiserSettings(optimiser='muon', **{**OPTIMISER, 'learning_rate': 0.01}))
    fixed = dataset.fixed(3, seed=0)
    before = validate(trainer.model.eval(), fixed, dataset._statistics, [3])[0]
    trainer.model.train()
    for step in range(150):
        trainer.learn(dataset[step], progress=step / 150)
    after = validate(trainer.model.eval(), fixed, dataset._statistics, [3])[0]
    assert after.action < 0.5 * before.action and after.value < 0.5 * before.value


def test_bfloat16_passes_leave_the_weights_in_float32(small_config):
    trainer = build(small_config, precision='bfloat16')
    exact = losses(build(small_config), training_set(small_config), 1)
    rounded = losses(trainer, training_set(small_config), 1)
    assert rounded == pytest.approx(exact, rel=0.05) and rounded != exact
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())


def test_a_batch_without_finite_gradient_changes_nothing_and_many_end_the_run(small_config):
    trainer, dataset = build(small_config), training_set(small_config)
    batch = dataset[0]
    batch.noise[0, 0, 5:] = float('nan')
    before = deepcopy(trainer.model.state_dict())
    for _ in range(9):
        trainer.learn(batch, progress=0.0)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, before[name])
    with pytest.raises(PredictionError, match='finite gradient'):
        trainer.learn(batch, progress=0.0)


@pytest.mark.parametrize('settings', [
    {'batch_size': 0}, {'accumulation': 3}, {'precision': 'int8'}, {'ema_decay': 1.0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        BatchSettings(**settings)
