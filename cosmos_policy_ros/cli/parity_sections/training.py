# SPDX-License-Identifier: Apache-2.0
"""Parity of the training loss, its gradients and the noise levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import (
    GoldenSection, section_named, Tolerance)
from cosmos_policy_ros.cli.parity_sections.networks import (
    autoencoder_config, golden_autoencoder, golden_transformer, transformer_config)
from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.latent_layout import ALOHA
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.training.loss import Denoised, DenoisingLoss, TrainingBatch
from cosmos_policy_ros.training.noise_levels import draw_sigmas
from cosmos_policy_ros.training.sample_kind import clean_masks, SampleKind
from cosmos_policy_ros.training.settings import LossSettings, NoiseSettings

# The manifest's options of the loss, to ours.
OPTIONS = {
    'mask_current_state_action_for_value_prediction': lambda on: {'value_kind': 'v_next'},
    'mask_future_state_for_qvalue_prediction': lambda on: {'value_kind': 'q'},
    'mask_loss_for_action_future_state_prediction': lambda on: {'own_parts_only': True},
    'action_loss_multiplier': lambda factor: {'action_weight': float(factor)}}
NUM_DRAWS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Case:
    """The golden model and batch."""

    model: CosmosModel
    batch: TrainingBatch


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['training']
    section.attempt('sigma', lambda: _noise_levels(section))
    case = _Case(
        model=_model(section, section_named(sections, 'dit'),
                     section_named(sections, 'tokenizer')),
        batch=_batch(section))
    for variant, options in section.info['hyperparameters']['variants'].items():
        section.attempt(variant, lambda: _variant(section, variant, options, case))


def _noise_levels(section: GoldenSection) -> None:
    given = section.info['hyperparameters']
    settings = NoiseSettings(
        log_mean=given['p_mean'], log_std=given['p_std'], uniform_low=given['uniform_lower'],
        uniform_high=given['uniform_upper'], uniform_share=1 - given['lognormal_fraction'])
    sigmas = draw_sigmas(np.random.default_rng(0), NUM_DRAWS, settings,
                         num_latent_frames=ALOHA.num_latent_frames)
    levels = section.input('sigma.quantile_levels').numpy()
    tolerance = section.tolerance('sigma quantiles')
    section.compare('sigma.quantiles_scaled', np.quantile(sigmas, levels), tolerance)
    base = sigmas / ALOHA.num_latent_frames**0.5
    section.compare('sigma.quantiles_base', np.quantile(base, levels), tolerance)
    shares = [(base <= point).mean() for point in section.input('sigma.cdf_points').numpy()]
    for name in ('sigma.cdf', 'sigma.cdf_analytic'):
        section.compare(name, shares, Tolerance(atol=0.003))


def _variant(
    section: GoldenSection, name: str, options: Mapping[str, Any], case: _Case,
) -> None:
    settings = LossSettings(
        scale=section.info['hyperparameters']['loss_scale'],
        **{key: value for option, on in options.items()
           for key, value in OPTIONS[option](on).items()})
    loss = DenoisingLoss(case.model, settings)
    case.model.zero_grad()
    with torch.enable_grad():
        denoised = loss.denoise(case.batch)
        total = loss.total(denoised, case.batch.kinds)
        total.backward()
    tensors = section.tolerance('tensors')
    section.compare(f'{name}.loss', total.detach(), section.tolerance('loss'))
    masks = clean_masks(ALOHA, settings)[case.batch.kinds]
    section.compare(f'{name}.cond_mask', masks, Tolerance())
    section.compare(f'{name}.edm_loss_per_frame', denoised.frame_losses.detach(), tensors)
    _compare_tensors(section, name, denoised, case.batch)
    _compare_gradients(section, name, case.model)
    for scalar, value in _logged(denoised, case.batch.kinds).items():
        section.compare(f'{name}.log.{scalar}', value, section.tolerance('loss'))


def _compare_tensors(
    section: GoldenSection, name: str, denoised: Denoised, batch: TrainingBatch,
) -> None:
    tolerance, sigmas = section.tolerance('tensors'), batch.sigmas.view(-1, 1, 1, 1, 1)
    noisy = denoised.clean + sigmas * batch.noise
    weights = ((1 + batch.sigmas) / batch.sigmas).square()[:, None]
    for field, value in (('x0', denoised.clean), ('gt_frames', denoised.clean), ('xt', noisy),
                         ('x0_pred', denoised.predicted.detach()), ('weights', weights)):
        section.compare(f'{name}.{field}', value, tolerance)


def _compare_gradients(section: GoldenSection, name: str, model: CosmosModel) -> None:
    gradients = {key: parameter.grad for key, parameter in model.transformer.named_parameters()}
    norms = [gradients[key].norm() for key in section.info['grad_param_order']]
    section.compare(f'{name}.grad_norms', torch.stack(norms), section.tolerance('grad_norms'))
    for key, gradient in gradients.items():
        section.compare(f'{name}.grad.{key}', gradient, section.tolerance('tensors'))


def _logged(denoised: Denoised, kinds: Tensor) -> dict[str, Tensor]:
    """Compute what the reference logs: errors of parts, by kind of sample."""
    errors = (denoised.clean - denoised.predicted).detach()
    policy, world, value = (errors[kinds == kind].transpose(1, 2) for kind in SampleKind)
    views = ALOHA.future_views
    parts = {
        'demo_sample_action': policy[:, ALOHA.action],
        'demo_sample_value': policy[:, ALOHA.value],
        'world_model_sample_future_image': world[:, views['primary']],
        'world_model_sample_future_wrist_image': world[:, views['left_wrist']],
        'world_model_sample_future_proprio': world[:, ALOHA.future_proprio],
        'value_function_sample_value': value[:, ALOHA.value]}
    logged = {'mse_loss': errors.square().mean(),
              'edm_loss': denoised.frame_losses.detach().mean()}
    for part, error in parts.items():
        logged |= {f'{part}_mse_loss': error.square().mean(),
                   f'{part}_l1_loss': error.abs().mean()}
    return logged


def _model(
    section: GoldenSection, dit: GoldenSection, tokenizer: GoldenSection,
) -> CosmosModel:
    given = section.info['hyperparameters']
    model = CosmosModel(ModelConfig(
        layout=ALOHA.name, transformer=transformer_config(dit),
        autoencoder=autoencoder_config(tokenizer),
        text_tokens=section.arrays['batch.t5_text_embeddings'].shape[1],
        image_size_px=given['image_size'], camera_resize_px=None, jpeg_round_trip=False,
        chunk_size=given['chunk_size'], chunk_period_s=CHUNK_PERIOD_S,
        action_dim=given['action_dim'], proprio_dim=given['action_dim'],
        sigma_max=80.0, sigma_min=4.0, num_denoising_steps=1, random_weights_seed=None))
    model.transformer = golden_transformer(dit)
    model.autoencoder = golden_autoencoder(tokenizer)
    return model


def _batch(section: GoldenSection) -> TrainingBatch:
    frames = section.input('batch.frames')
    kinds = (SampleKind.WORLD_MODEL * section.input('batch.world_model_sample_mask')
             + SampleKind.VALUE * section.input('batch.value_function_sample_mask'))
    section.input('batch.rollout_data_mask')
    return TrainingBatch(
        current=frames[:, list(ALOHA.current_views.values())],
        future=frames[:, list(ALOHA.future_views.values())],
        proprio=section.input('batch.proprio'),
        future_proprio=section.input('batch.future_proprio'),
        actions=section.input('batch.actions'),
        values=section.input('batch.value_function_return'),
        text=section.input('batch.t5_text_embeddings'), kinds=kinds,
        sigmas=section.input('sigma_B_1')[:, 0], noise=section.input('epsilon'))
