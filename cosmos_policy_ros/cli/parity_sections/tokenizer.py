# SPDX-License-Identifier: Apache-2.0
"""Parity of the video autoencoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cosmos_policy_ros.cli.parity_sections.golden import GoldenSection, Tolerance
from cosmos_policy_ros.cli.parity_sections.networks import golden_autoencoder
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['tokenizer']
    autoencoder = golden_autoencoder(section)
    for field in ('mean', 'std'):
        section.compare(f'latent_{field}', getattr(autoencoder.wan.config, f'latents_{field}'),
                        Tolerance(rtol=1e-6))
    for name in list(section.arrays):
        case, _, field = name.rpartition('.')
        if field == 'video_u8':
            section.attempt(name, lambda: section.compare(
                f'{case}.latent', autoencoder.encode(video_from_uint8(section.input(name))),
                section.tolerance('latent')))
        elif field == 'dec_in':
            section.attempt(name, lambda: section.compare(
                f'{case}.dec_out', autoencoder.decode(section.input(name)),
                _decode_tolerance(section, f'{case}.dec_out')))


def _decode_tolerance(section: GoldenSection, name: str) -> Tolerance:
    """Return the wider tolerance for arrays that were stored in half precision."""
    if section.arrays[name].dtype is not torch.float16:
        return section.tolerance('dec_out')
    return next(section.tolerance(key) for key in section.info['tolerance'] if 'float16' in key)
