# SPDX-License-Identifier: Apache-2.0
"""Parity of the policy pass, end to end: images and joints in, actions, value and images out."""

from __future__ import annotations

from collections.abc import Mapping
import re

import numpy as np

from cosmos_policy_ros.cli.parity_sections.golden import (
    GoldenError, GoldenSection, section_named, Tolerance)
from cosmos_policy_ros.cli.parity_sections.golden_policy import FUTURE_ARRAYS, GoldenPolicy
from cosmos_policy_ros.cli.parity_sections.policy_passes import compare_passes
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.diffusion.noise import unit_noise


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['policy']
    golden = GoldenPolicy(section, dit=section_named(sections, 'dit'),
                          tokenizer=section_named(sections, 'tokenizer'))
    section.attempt('preprocessing', lambda: _preprocessing(section, golden))
    for name in list(section.arrays):
        if match := re.fullmatch(r'(policy\.n(\d+)\.seed(\d+))\.generated_latent', name):
            case, num_steps, seed = match[1], int(match[2]), int(match[3])
            section.attempt(case, lambda: _prediction(section, golden, case, num_steps, seed))
            section.attempt(case, lambda: _latents(section, golden, case, num_steps, seed))
            section.attempt(case, lambda: _conditioning(section, golden, case, seed))
    compare_passes(section, golden)


def _preprocessing(section: GoldenSection, golden: GoldenPolicy) -> None:
    section.compare('images_processed', golden.views, section.tolerance('images'))
    section.compare('proprio_rescaled', golden.proprio[0], Tolerance(atol=1e-12))


def _prediction(
    section: GoldenSection, golden: GoldenPolicy, case: str, num_steps: int, seed: int,
) -> None:
    """Compare what a user of the policy gets."""
    prediction = golden.policy.predict(
        golden.observation, seed, num_denoising_steps=num_steps, with_future_images=True)
    section.compare(f'{case}.actions', prediction.chunk.positions, section.tolerance('actions'))
    section.compare(f'{case}.value_prediction', [prediction.value], section.tolerance('value'))
    for camera, field in FUTURE_ARRAYS.items():
        section.compare(f'{case}.{field}', prediction.future_images[camera],
                        section.tolerance('images'))


def _latents(
    section: GoldenSection, golden: GoldenPolicy, case: str, num_steps: int, seed: int,
) -> None:
    """Compare the sampled sequence, what is read from it, and every recorded denoiser call."""
    model, tolerance = golden.model, section.tolerance('latents')
    model.calls.clear()
    latents = golden.sample(golden.raw_latents, NetworkRole.POLICY, seed, num_steps)
    section.compare(f'{case}.generated_latent', latents, tolerance)
    section.compare(f'{case}.actions_normalised', model.action_chunk(latents),
                    section.tolerance('actions'))
    section.compare(f'{case}.value_raw', model.raw_value(latents), section.tolerance('value'))
    for name in section.arrays:
        if match := re.fullmatch(re.escape(case) + r'\.call(\d+)\.(\w+)', name):
            index, field = int(match[1]), match[2]
            if index >= len(model.calls) or field not in model.calls[index]:
                raise GoldenError(f'{name}: the sampler made {len(model.calls)} calls')
            section.compare(name, model.calls[index][field],
                            Tolerance(rtol=1e-6) if field == 'sigma' else tolerance)


def _conditioning(section: GoldenSection, golden: GoldenPolicy, case: str, seed: int) -> None:
    model, tolerance = golden.model, section.tolerance('latents')
    section.compare(f'{case}.mask', model.clean_mask(NetworkRole.POLICY)[..., 0, 0], Tolerance())
    section.compare(f'{case}.orig_latents', golden.raw_latents, tolerance)
    section.compare(f'{case}.gt_frames',
                    model.inject_proprio(golden.raw_latents, golden.proprio), tolerance)
    section.compare(f'{case}.init_x',
                    np.float32(model.config.sigma_max) * unit_noise([seed], model.sequence_shape),
                    Tolerance(rtol=1e-6))
