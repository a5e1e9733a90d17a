# SPDX-License-Identifier: Apache-2.0
"""Parity of the world-model and value passes that follow a policy pass."""

from __future__ import annotations

import re

import numpy as np
from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import GoldenError, GoldenSection, Tolerance
from cosmos_policy_ros.cli.parity_sections.golden_policy import FUTURE_ARRAYS, GoldenPolicy
from cosmos_policy_ros.diffusion.latent_injection import value_from_latent
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.policy.value_aggregation import aggregate_values, ensemble_steps

VALUE_ROLES = {'value.masked0': NetworkRole.TRANSITION_VALUE,
               'value.masked1': NetworkRole.STATE_VALUE}


def compare_passes(section: GoldenSection, golden: GoldenPolicy) -> None:
    """Run the world-model pass and the value passes, as far as the section has them."""
    if section.has('future.latent'):
        section.attempt('future', lambda: _world_model(section, golden))
        for case, role in VALUE_ROLES.items():
            section.attempt(case, lambda: _value(section, golden, case, role))


def _seed_of_future(section: GoldenSection) -> int:
    return int(_parse(section, 'future.latent', r'seed (\d+)')[0])


def _parse(section: GoldenSection, name: str, pattern: str) -> tuple[str, ...]:
    """Read the parameters of a case from the manifest's description of its array."""
    match = re.search(pattern, section.described(name))
    if not match:
        raise GoldenError(f'the description of {name!r} does not say {pattern!r}')
    return match.groups()


def _world_model(section: GoldenSection, golden: GoldenPolicy) -> None:
    steps, previous = _parse(section, 'future.latent', r"(\d+) steps.*generated latent '([^']+)'")
    role, tolerance = NetworkRole.WORLD_MODEL, section.tolerance('latents')
    latents = golden.sample(section.input(previous), role, _seed_of_future(section), int(steps))
    section.compare('future.latent', latents, tolerance)
    section.compare('future.mask', golden.model.clean_mask(role)[..., 0, 0], Tolerance())
    images = golden.model.decode_future_images(latents, golden.raw_latents)
    for view, camera in zip(golden.model.layout.views, golden.policy.camera_names):
        section.compare(f'future.{FUTURE_ARRAYS[camera]}', images[view][0],
                        section.tolerance('images'))


def _value(section: GoldenSection, golden: GoldenPolicy, case: str, role: NetworkRole) -> None:
    seed = _seed_of_future(section)
    steps = int(_parse(section, f'{case}.value', r'(\d+) denoiser calls')[0])
    latents = golden.sample(section.input('future.latent'), role, seed, steps)
    section.compare(f'{case}.mask', golden.model.clean_mask(role)[..., 0, 0], Tolerance())
    section.compare(f'{case}.latent_value_frame', latents[:, :, golden.model.layout.value],
                    section.tolerance('latents'))
    section.compare(f'{case}.value', _values(golden, latents), section.tolerance('value'))
    for name in section.arrays:
        if match := re.fullmatch(re.escape(case) + r'\.ensemble(\d+)_(\w+)', name):
            section.compare(name, _ensemble(section, golden, role, name, match[2]),
                            section.tolerance('value'))


def _values(golden: GoldenPolicy, latents: Tensor) -> np.ndarray:
    return value_from_latent(golden.model.raw_value(latents)).numpy()


def _ensemble(
    section: GoldenSection, golden: GoldenPolicy, role: NetworkRole, name: str, scheme: str,
) -> np.ndarray:
    num_steps, num_members = map(int, _parse(section, name, r'linspace\(1,\s*(\d+),\s*(\d+)\)'))
    members = [_values(golden, golden.sample(
        section.input('future.latent'), role, _seed_of_future(section) + index, steps))
        for index, steps in enumerate(ensemble_steps(num_steps, num_members))]
    return aggregate_values(members, scheme)
