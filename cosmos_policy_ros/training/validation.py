# SPDX-License-Identifier: Apache-2.0
"""How well a model does what it will be used for: sample chunks on episodes it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.spec.statistics import DatasetStatistics
from cosmos_policy_ros.training.loss import clean_latents, TrainingBatch

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class ValidationReport:
    """Errors of sampled sequences.

    Attributes:
        num_steps: Denoising steps.
        action: Mean absolute error of the chunk, in its own units (arm joints in [rad]).
        future_proprio: The same of the joints at its end.
        future_views: Mean squared error of the future images' latents.
        present_views: The same of the images now, taken for the future: what guessing gets.
        value: Mean absolute error of the value, in [-1, 1].
    """

    num_steps: int
    action: float
    future_proprio: float
    future_views: float
    present_views: float
    value: float


@torch.no_grad()
def validate(
    model: CosmosModel, batch: TrainingBatch, statistics: DatasetStatistics,
    num_steps: Sequence[int],
) -> list[ValidationReport]:
    """Sample the chunks of a batch and compare them with its own.

    Args:
        model: The model.
        batch: Policy samples.
        statistics: Bounds of actions and joints.
        num_steps: Numbers of denoising steps to try.
    """
    clean = clean_latents(model, batch)
    reports = []
    for steps in num_steps:
        sampled = torch.cat([
            model.sample(clean[part], role=NetworkRole.POLICY, num_steps=steps,
                         text=model.transformer.encode_text(batch.text[part]),
                         seeds=range(*part.indices(len(batch))))
            for part in (slice(i, i + _BATCH) for i in range(0, len(batch), _BATCH))])
        layout = model.layout
        now, then = (list(views.values()) for views in (
            layout.current_views, layout.future_views))
        reports.append(ValidationReport(
            num_steps=steps,
            action=_error(model.action_chunk(sampled), batch.actions, statistics.actions),
            future_proprio=_error(
                model.future_proprio(sampled), batch.future_proprio, statistics.proprio),
            future_views=float((sampled - clean)[:, :, then].square().mean()),
            present_views=float((clean[:, :, now] - clean[:, :, then]).square().mean()),
            value=float((model.raw_value(sampled) - batch.values).abs().mean())))
    return reports


def _error(predicted: torch.Tensor, true: torch.Tensor, bounds: object) -> float:
    half_ranges = torch.from_numpy((bounds.upper - bounds.lower) / 2)
    return float(((predicted - true).abs().cpu() * half_ranges).mean())
