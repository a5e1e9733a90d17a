# SPDX-License-Identifier: Apache-2.0
"""One training run in memory: a model that is changed batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import math
from typing import Any

import torch
from torch import Tensor
from torch import distributed
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.training.loss import DenoisingLoss, part_errors, TrainingBatch
from cosmos_policy_ros.training.optimiser import (
    build_optimisers, learning_rate_factor)
from cosmos_policy_ros.training.recomputation import recompute_blocks
from cosmos_policy_ros.training.settings import (
    BatchSettings, LossSettings, OptimiserSettings)

_DTYPES = {'float32': None, 'bfloat16': torch.bfloat16}
# So many batches in a row without a finite gradient are no accident.
_MAX_SKIPPED = 10


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What a step did.

    Attributes:
        step: Steps done, with this one.
        loss: Loss of the batch.
        gradient_norm: Norm of the gradient before it was clipped.
        learning_rate: Learning rate of the step.
        parts: Mean absolute error of each part, by kind of sample, in latent units.
    """

    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    parts: dict[str, float]


class Trainer:
    """Changes a model. Its state can be taken out and put back between steps.

    Args:
        model: The model; its transformer learns, its autoencoder does not.
        settings: Batches and precision.
        optimiser: How weights are changed.
        loss: What counts.

    Attributes:
        step: Steps done.
        optimisers: What changes the weights.
    """

    def __init__(
        self, model: CosmosModel, *, settings: BatchSettings, optimiser: OptimiserSettings,
        loss: LossSettings,
    ) -> None:
        self.model = model
        self.step = 0
        self._settings, self._optimiser_settings = settings, optimiser
        if settings.recompute:
            recompute_blocks(model.transformer)
        self._loss = DenoisingLoss(model, loss)
        self.optimisers = build_optimisers(model.transformer, optimiser)
        self._parameters = [parameter for parameter in model.transformer.parameters()
                            if parameter.requires_grad]
        self._mean_weights = ([parameter.detach().clone() for parameter in self._parameters]
                              if settings.ema_decay else [])
        self._num_skipped = 0

    def learn(self, batch: TrainingBatch, *, progress: float) -> StepReport:
        """Change the weights by one batch.

        Args:
            batch: This process's part of the batch.
            progress: Share of the run that is done, 0 to 1.

        Raises:
            PredictionError: If many batches in a row have no finite gradient.
        """
        rate = self._optimiser_settings.learning_rate * learning_rate_factor(
            self.step, progress, self._optimiser_settings)
        for group in (group for optimiser in self.optimisers
                      for group in optimiser.param_groups):
            group['lr'] = rate
        loss, parts = self._accumulate(batch)
        norm = _whole(clip_grad_norm_(
            self._parameters, self._optimiser_settings.max_gradient_norm))
        self._check(loss, norm)
        if math.isfinite(norm):
            for optimiser in self.optimisers:
                optimiser.step()
            self._update_mean()
        self.step += 1
        return StepReport(step=self.step, loss=loss, gradient_norm=norm, learning_rate=rate,
                          parts=parts)

    def state(self) -> dict[str, Any]:
        """Return all that a later run needs besides the weights."""
        return {'step': self.step, 'mean_weights': self._mean_weights,
                'optimisers': [optimiser.state_dict() for optimiser in self.optimisers]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where a state was taken; the weights are put into the model by the caller."""
        self.step = state['step']
        for optimiser, content in zip(self.optimisers, state['optimisers'], strict=True):
            optimiser.load_state_dict(content)
        for mean, content in zip(self._mean_weights, state['mean_weights'], strict=True):
            mean.copy_(content)

    @contextmanager
    def mean_weights(self) -> Iterator[CosmosModel]:
        """Lend the model with the running mean of its weights, where there is one."""
        own = [parameter.detach().clone() for parameter in self._parameters
               if self._mean_weights]
        self._set(self._mean_weights)
        self.model.eval()
        try:
            yield self.model
        finally:
            self._set(own)
            self.model.train()

    @torch.no_grad()
    def _set(self, weights: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, weights):
            parameter.copy_(value)

    def _accumulate(self, batch: TrainingBatch) -> tuple[float, dict[str, float]]:
        """Compute the gradient of a batch over all processes; return its loss and errors."""
        for parameter in self._parameters:
            parameter.grad = None
        share = 1 / self._settings.accumulation
        total, kinds = torch.zeros((), device=self.model.device), []
        for part in batch.split(self._settings.accumulation):
            with self._autocast():
                denoised = self._loss.denoise(part)
            loss = share * self._loss.total(denoised, part.kinds)
            loss.backward()
            total += loss.detach()
            kinds.append(part_errors(self.model.layout, denoised, part.kinds))
        self._average([parameter.grad for parameter in self._parameters], total)
        names = sorted({name for errors in kinds for name in errors})
        return float(total), {
            name: float(torch.stack([errors[name] for errors in kinds if name in errors]).mean())
            for name in names}

    def _autocast(self) -> torch.autocast:
        dtype = _DTYPES[self._settings.precision]
        return torch.autocast(self.model.device.type, dtype=dtype, enabled=dtype is not None)

    def _average(self, gradients: list[Tensor | None], total: Tensor) -> None:
        if not distributed.is_initialized():
            return
        for tensor in (total, *gradients):
            # Those of sharded weights are means over all processes already.
            if tensor is not None and not isinstance(tensor, DTensor):
                distributed.all_reduce(tensor)
                tensor.div_(distributed.get_world_size())

    def _check(self, loss: float, norm: float) -> None:
        self._num_skipped = 0 if math.isfinite(norm) else self._num_skipped + 1
        if self._num_skipped >= _MAX_SKIPPED:
            raise PredictionError(
                f'{self._num_skipped} batches in a row had no finite gradient, at step '
                f'{self.step}; the last loss is {loss}. Try a lower learning rate')

    @torch.no_grad()
    def _update_mean(self) -> None:
        # In the beginning the mean forgets faster, or it would remember the first weights.
        decay = min(self._settings.ema_decay, (1 + self.step) / (10 + self.step))
        for mean, parameter in zip(self._mean_weights, self._parameters):
            mean.lerp_(parameter, 1 - decay)


def _whole(norm: Tensor) -> float:
    """Return the norm of gradients that may be spread over processes."""
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
