# SPDX-License-Identifier: Apache-2.0
"""Random weights: reproducible, and calm."""

from copy import deepcopy

import torch

from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.diffusion.random_weights import draw_random_weights


def test_the_seed_decides_the_weights_and_nothing_else_does(tiny_checkpoint):
    model = deepcopy(tiny_checkpoint.model)
    # Drawn here, because a decomposition depends on the number of threads in its last digit.
    draw_random_weights(model, seed=0)
    reference = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(99)
    draw_random_weights(model, seed=0)
    assert all(torch.equal(tensor, reference[name])
               for name, tensor in model.state_dict().items())
    draw_random_weights(model, seed=1)
    name = 'transformer.final_layer.linear.weight'
    assert not torch.equal(model.state_dict()[name], reference[name])


def test_samples_of_an_untrained_model_stay_near_the_middle_of_the_range(tiny_checkpoint):
    model = tiny_checkpoint.model
    text = model.encode_text(next(iter(tiny_checkpoint.text_embeddings.by_task.values())))
    latents = model.sample(torch.zeros(1, *model.sequence_shape), role=NetworkRole.POLICY,
                           text=text, seeds=[0], num_steps=5)
    assert 0 < model.action_chunk(latents).std() < 0.5
