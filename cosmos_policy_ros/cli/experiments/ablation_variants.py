# SPDX-License-Identifier: Apache-2.0
"""What is left out or varied, and what the paper found when it did the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from cosmos_policy_ros.training.settings import (
    NoiseSettings, small_model_settings, TrainingSettings)

NO_FIGURE = 'the paper gives no figure'


class Expected(Enum):
    """What the paper saw, against the reference of the group."""

    LOWER = -1
    HIGHER = 1
    UNKNOWN = 0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of the table.

    Attributes:
        name: Short name, of files and records.
        text: What is different.
        reference: Name of the row that it is compared with; its own name for the reference.
        expected: Which way the paper saw success go.
        paper: What the paper found.
    """

    name: str
    text: str
    reference: str
    expected: Expected = Expected.UNKNOWN
    paper: str = NO_FIGURE


@dataclass(frozen=True, kw_only=True)
class TrainedVariant(Variant):
    """A row whose model is trained for it.

    Attributes:
        training: How.
    """

    training: TrainingSettings


@dataclass(frozen=True, kw_only=True)
class DenoisingVariant(Variant):
    """A row of the full checkpoint, answering directly.

    Attributes:
        num_steps: Denoising steps of a chunk.
    """

    num_steps: int


@dataclass(frozen=True, kw_only=True)
class PlanningVariant(Variant):
    """A row of the full checkpoint with the planning checkpoint.

    Attributes:
        num_candidates: Chunks to choose from.
    """

    num_candidates: int


def trained_variants() -> list[TrainedVariant]:
    """Return the variants of the training, the reference first."""
    base = small_model_settings()
    alone = replace(base.samples, demonstration_share=1.0)
    return [
        TrainedVariant(name='base', text='everything', reference='base', training=base),
        TrainedVariant(
            name='no_auxiliary', text='no auxiliary targets', reference='base',
            expected=Expected.LOWER, paper='LIBERO 98.5 to 97.0 %', training=replace(
                base, loss=replace(base.loss, own_parts_only=True, policy_learns_value=False))),
        TrainedVariant(
            name='no_rollout_samples', text='no world-model and value samples', reference='base',
            expected=Expected.LOWER, paper='RoboCasa 67.1 to 64.0 %',
            training=replace(base, samples=alone)),
        TrainedVariant(
            name='action_only', text='actions alone', reference='base', expected=Expected.LOWER,
            paper='RoboCasa 67.1 to 44.4 %', training=replace(base, samples=alone, loss=replace(
                base.loss, proprio_weight=0.0, view_weight=0.0, value_weight=0.0))),
        TrainedVariant(
            name='log_normal', text='log-normal noise without the uniform part', reference='base',
            training=replace(base, noise=NoiseSettings(uniform_share=0.0)))]


def denoising_variants() -> list[DenoisingVariant]:
    """Return the variants of the denoising steps."""
    found = {1: {'expected': Expected.LOWER, 'paper': 'RoboCasa 67.1 to 66.4 %'}}
    return [DenoisingVariant(
        name=f'steps_{count}', num_steps=count, reference='steps_5',
        text=f'{count} denoising step{"s" * (count > 1)}', **found.get(count, {}))
        for count in (5, 1, 2, 10)]


def planning_variants() -> list[PlanningVariant]:
    """Return the variants of the number of candidates; a single one is the direct answer."""
    found = {8: {'expected': Expected.HIGHER, 'paper': 'ALOHA, two tasks: 59.5 to 72.0 %'}}
    return [PlanningVariant(
        name=f'candidates_{count}', num_candidates=count, reference='candidates_1',
        text=f'planning, N = {count}', **found.get(count, {})) for count in (1, 2, 4, 8)]
