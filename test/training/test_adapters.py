# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters."""

import pytest
from synthetic_data import training_set
import torch

from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.training.adapters import (
    adapter_weights, add_adapters, load_adapter_weights, merged_model)
from cosmos_policy_ros.training.initial_weights import untrained_model
from cosmos_policy_ros.training.loss import DenoisingLoss
from cosmos_policy_ros.training.settings import BatchSettings, LossSettings, OptimiserSettings
from cosmos_policy_ros.training.trainer import Trainer


def adapted(config, rank=2):
    """A model with adapters; its last layer is not zero, so that blocks get a gradient."""
    model = untrained_model(config, 0)
    last = model.transformer.final_layer.linear.weight
    torch.nn.init.normal_(last, std=0.1, generator=torch.Generator().manual_seed(0))
    add_adapters(model.transformer, rank, seed=0)
    return model


def trained(config):
    """The same after some steps."""
    model, dataset = adapted(config), training_set(config)
    trainer = Trainer(
        model, settings=BatchSettings(batch_size=8), loss=LossSettings(),
        optimiser=OptimiserSettings(schedule='linear', warmup_steps=1, learning_rate=1e-2))
    for step in range(3):
        trainer.learn(dataset[step], progress=0.0)
    return model


def loss_of(model, batch):
    """Loss of a batch."""
    loss = DenoisingLoss(model, LossSettings())
    with torch.no_grad():
        return float(loss.total(loss.denoise(batch), batch.kinds))


def test_fresh_adapters_change_nothing_and_few_weights_learn(small_config):
    model, batch = adapted(small_config), training_set(small_config)[0]
    assert loss_of(merged_model(model), batch) == loss_of(model, batch)
    learning = sum(tensor.numel() for tensor in adapter_weights(model.transformer).values())
    assert 0 < learning < 0.2 * sum(p.numel() for p in model.parameters())


def test_merged_weights_have_the_released_names_and_predict_the_same(small_config):
    model, batch = trained(small_config), training_set(small_config)[9]
    merged = merged_model(model)
    assert set(merged.state_dict()) == set(untrained_model(small_config, 0).state_dict())
    assert loss_of(merged, batch) == pytest.approx(loss_of(model, batch), rel=1e-5)


def test_the_base_stays_as_it_was_and_the_blocks_learn(small_config):
    before, after = (dict(build(small_config).transformer.named_parameters())
                     for build in (adapted, trained))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(adapter_weights(trained(small_config).transformer))


def test_adapters_are_put_back_and_others_refused(small_config):
    model = trained(small_config)
    other = adapted(small_config)
    load_adapter_weights(other.transformer, adapter_weights(model.transformer))
    for name, tensor in adapter_weights(other.transformer).items():
        assert torch.equal(tensor, adapter_weights(model.transformer)[name])
    with pytest.raises(CheckpointError, match='another rank'):
        load_adapter_weights(adapted(small_config, rank=3).transformer,
                             adapter_weights(model.transformer))
