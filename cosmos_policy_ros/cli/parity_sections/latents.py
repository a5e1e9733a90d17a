# SPDX-License-Identifier: Apache-2.0
"""Parity of latent injection and extraction, normalisation and value aggregation."""

from __future__ import annotations

from collections.abc import Mapping
import re

import torch
from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import GoldenSection, Tolerance
from cosmos_policy_ros.diffusion.latent_injection import (
    extract_value, extract_vector, inject_value, inject_vector, value_from_latent)
from cosmos_policy_ros.policy.value_aggregation import aggregate_values, AGGREGATIONS
from cosmos_policy_ros.spec.statistics import Bounds
from cosmos_policy_ros.training.returns import scaled_returns
from cosmos_policy_ros.training.training_set import action_chunk


def compare(sections: Mapping[str, GoldenSection]) -> None:
    """Run every case of the section."""
    section = sections['latents']
    section.skip('samples are drawn one by one, not by epochs', 'epoch_structure')
    for name in list(section.arrays):
        kind, _, field = name.rpartition('.')
        case = kind.removeprefix('inject.')
        if name.startswith('inject.') and field == 'x0':
            section.attempt(name, lambda: _inject(section, case))
        elif name.startswith('inject.') and field == 'frame':
            section.attempt(name, lambda: _inject_into_zeros(section, case))
        elif name.startswith('extract.') and field in ('latents', 'latent_frame'):
            section.attempt(name, lambda: _extract(section, kind.removeprefix('extract.'), name))
        elif kind == 'returns':
            section.attempt(name, lambda: _returns(section, name))
        elif match := re.fullmatch(r'chunk\.start(\d+)', name):
            section.attempt(name, lambda: section.compare(name, action_chunk(
                section.input('chunk.actions').numpy(), int(match[1]),
                len(section.arrays[name])), Tolerance()))
    section.attempt('norm', lambda: _normalise(section))
    section.attempt('aggregate', lambda: _aggregate(section))


def _inject(section: GoldenSection, case: str) -> None:
    latents = section.input(f'inject.{case}.x0')
    for field, index in (('actions', 'action_idx'), ('proprio', 'proprio_idx'),
                         ('future_proprio', 'future_proprio_idx')):
        latents = inject_vector(latents, section.input(f'inject.{case}.{field}'),
                                section.input(f'inject.{case}.{index}'))
    latents = inject_value(latents, section.input(f'inject.{case}.value'),
                           section.input(f'inject.{case}.value_idx'))
    section.compare(f'inject.{case}.x0_injected', latents, section.tolerance('default'))


def _inject_into_zeros(section: GoldenSection, case: str) -> None:
    name = f'inject.{case}.frame'
    actions = section.input(f'inject.{case}.actions')
    section.compare(name, inject_vector(torch.zeros(section.arrays[name].shape), actions, 0),
                    section.tolerance('default'))


def _extract(section: GoldenSection, case: str, name: str) -> None:
    latents, tolerance = section.input(name).float(), section.tolerance('default')
    actions = section.arrays[f'extract.{case}.actions']
    vectors = extract_vector(latents, _frame(section, case, 'action_idx'), actions[0].numel())
    section.compare(f'extract.{case}.actions', vectors.view_as(actions), tolerance)
    value = extract_value(latents, _frame(section, case, 'value_idx'))
    section.compare(f'extract.{case}.value_raw', value, tolerance)
    section.compare(f'extract.{case}.value_01', value_from_latent(value), tolerance)


def _frame(section: GoldenSection, case: str, index: str) -> int | Tensor:
    """Return where a case keeps a vector; a case without an index has a single frame."""
    name = f'inject.{case}.{index}'
    return section.input(name) if section.has(name) else 0


def _returns(section: GoldenSection, name: str) -> None:
    """Compare returns; the reference divides them by the score, so it knows only 0 and 1."""
    given = dict(re.findall(r'(\w+)=([\d.]+)', section.described(name)))
    score = float(float(given['terminal_reward']) > 0)
    returns = scaled_returns(int(given['num_steps']), score, gamma=float(given['gamma']))
    section.compare(name, returns, section.tolerance('default'))


def _normalise(section: GoldenSection) -> None:
    actions, proprio = (
        Bounds(name=name, lower=section.input(f'norm.{name}_min').numpy(),
               upper=section.input(f'norm.{name}_max').numpy()) for name in ('actions', 'proprio'))
    for source, target, function in (
            ('actions_normalised', 'actions_unnormalised', actions.unnormalise),
            ('proprio_raw', 'proprio_rescaled', proprio.normalise),
            ('train_actions_raw', 'train_actions_rescaled', actions.normalise)):
        section.compare(f'norm.{target}', function(section.input(f'norm.{source}').numpy()),
                        section.tolerance('default'))


def _aggregate(section: GoldenSection) -> None:
    values = section.input('aggregate.values').numpy()
    for scheme in AGGREGATIONS:
        section.compare(f'aggregate.{scheme}', aggregate_values(values, scheme),
                        section.tolerance('default'))
