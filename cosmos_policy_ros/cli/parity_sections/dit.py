# SPDX-License-Identifier: Apache-2.0
"""Parity of the transformer, its rotary embedding and its timestep embedding."""

from __future__ import annotations

from collections.abc import Mapping
import re

from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import GoldenSection
from cosmos_policy_ros.cli.parity_sections.networks import golden_transformer, transformer_config
from cosmos_policy_ros.diffusion.attention import apply_rope, rope_angles, rope_rotation
from cosmos_policy_ros.diffusion.dit import DiffusionTransformer, timestep_sinusoid


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['dit']
    section.skip('the network takes no frame rate', *(
        name for name in section.arrays if name.endswith('.fps')))
    for name in list(section.arrays):
        if name.endswith('.x'):
            section.attempt(name, lambda: _forward(section, name.removesuffix('.x')))
        elif match := re.fullmatch(r'rope\.angles_head(\d+)_T(\d+)_H(\d+)_W(\d+)', name):
            sizes = [int(size) for size in match.groups()]
            section.attempt(name, lambda: _rope(section, name, sizes))
        elif name.endswith('.timesteps') and section.has(name.replace('timesteps', 'sincos')):
            section.attempt(name, lambda: _timesteps(section, name.removesuffix('timesteps')))


def _forward(section: GoldenSection, case: str) -> None:
    transformer = golden_transformer(section)
    _scale_queries_and_keys(transformer, section.described(f'{case}.x'))
    tolerance = section.tolerance('out')
    for index, block in enumerate(transformer.blocks):
        name = f'{case}.block{index}_out'
        block.register_forward_hook(lambda _, __, tokens, name=name: section.compare(
            name, _as_grid(section, name, tokens), tolerance))
    text = transformer.encode_text(section.input(f'{case}.crossattn_emb'))
    output = transformer(*(section.input(f'{case}.{name}') for name in ('x', 'timesteps')), text,
                         *(section.input(f'{case}.{name}')
                           for name in ('condition_mask', 'padding_mask')))
    section.compare(f'{case}.out', output, tolerance)


def _as_grid(section: GoldenSection, name: str, tokens: Tensor) -> Tensor:
    if not section.has(name):
        return tokens
    return tokens.unflatten(2, section.arrays[name].shape[2:4])  # (B, T, H / 2, W / 2, D)


def _scale_queries_and_keys(transformer: DiffusionTransformer, description: str) -> None:
    """Shrink the projections by the factor that the manifest names for the epsilon case."""
    match = re.search(r'multiply EVERY q_proj\.weight and k_proj\.weight .*? by ([\d.e-]+\d)',
                      description)
    for name, parameter in transformer.named_parameters():
        if match and name.endswith(('q_proj.weight', 'k_proj.weight')):
            parameter.mul_(float(match[1]))


def _rope(section: GoldenSection, name: str, sizes: list[int]) -> None:
    head_dim, *grid = sizes
    tolerance = section.tolerance('rope')
    angles = rope_angles((grid[0], grid[1], grid[2]), head_dim,
                         transformer_config(section).rope_ratios)
    section.compare(name, angles, tolerance)
    rotated = apply_rope(section.input('rope.q_in'), rope_rotation(angles))
    section.compare('rope.q_out', rotated, tolerance)


def _timesteps(section: GoldenSection, prefix: str) -> None:
    transformer, tolerance = golden_transformer(section), section.tolerance('out')
    timesteps = section.input(f'{prefix}timesteps')
    normed, shared = transformer.embed_timesteps(timesteps)
    section.compare(f'{prefix}normed', normed, tolerance)
    section.compare(f'{prefix}adaln_lora', shared, tolerance)
    section.compare(f'{prefix}sincos', timestep_sinusoid(timesteps, transformer.config.width),
                    tolerance)
