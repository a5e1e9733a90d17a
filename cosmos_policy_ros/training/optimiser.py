# SPDX-License-Identifier: Apache-2.0
"""Optimisers, and the course of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import distributed, nn, Tensor
from torch.distributed.tensor import DTensor
from torch.optim import AdamW, Optimizer

from cosmos_policy_ros.diffusion.dit import DiffusionTransformer
from cosmos_policy_ros.training.settings import OptimiserSettings

# Coefficients of the quintic that pulls singular values towards one, and how often: K. Jordan et
# al., "Muon: An optimizer for hidden layers in neural networks", 2024.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_NUM_ITERATIONS = 5
# Root mean square of AdamW's usual updates, so that both take the same learning rate: J. Liu et
# al., "Muon is scalable for LLM training", 2025.
_UPDATE_RMS = 0.2


def learning_rate_factor(step: int, progress: float, settings: OptimiserSettings) -> float:
    """Return the share of the learning rate.

    Args:
        step: Steps done before.
        progress: Share of the run that is done, 0 to 1.
        settings: Which schedule.
    """
    if step < settings.warmup_steps:
        return 1e-6 + (1 - 1e-6) * step / settings.warmup_steps
    if settings.schedule == 'published':
        first, last = settings.warmup_steps, settings.decay_steps
        return 0.3 + 0.7 * (last - step) / (last - first) if step <= last else 0.06
    return min(1.0, max(0.0, (1 - progress) / (1 - settings.flat_share)))


def build_optimisers(
    transformer: DiffusionTransformer, settings: OptimiserSettings,
) -> list[Optimizer]:
    """Return the optimisers of a transformer's trainable parameters."""
    named = [(name, parameter) for name, parameter in transformer.named_parameters()
             if parameter.requires_grad]
    is_hidden: Callable[[str, nn.Parameter], bool] = (
        lambda name, parameter: settings.optimiser == 'muon' and name.startswith('blocks.')
        and parameter.ndim == 2)
    hidden = [parameter for name, parameter in named if is_hidden(name, parameter)]
    others = [parameter for name, parameter in named if not is_hidden(name, parameter)]
    optimisers: list[Optimizer] = []
    if others:
        optimisers.append(AdamW(
            others, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon, weight_decay=settings.weight_decay, fused=True))
    if hidden:
        optimisers.append(Muon(
            hidden, learning_rate=settings.learning_rate, momentum=settings.momentum,
            weight_decay=settings.weight_decay))
    return optimisers


class Muon(Optimizer):
    """Momentum whose updates are made orthogonal, for matrices.

    Torch's own does this in bfloat16, in which CPUs are fifty times slower than in float32.
    Processes that hold whole weights share the work: in turns, each makes one update orthogonal
    and sends it to the others.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, learning_rate: float, momentum: float,
        weight_decay: float,
    ) -> None:
        super().__init__(parameters, {'lr': learning_rate, 'momentum': momentum,
                                      'weight_decay': weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change every parameter that has a gradient."""
        for group in self.param_groups:
            changed = [parameter for parameter in group['params'] if parameter.grad is not None]
            # Alike next to each other, as they share a round.
            changed.sort(key=lambda parameter: tuple(parameter.shape))
            size = _round_size(changed)
            for start in range(0, len(changed), size):
                self._change(changed[start:start + size], group)

    def _change(self, parameters: list[nn.Parameter], group: dict) -> None:
        updates = _all_orthogonalised([self._direction(one, group) for one in parameters])
        for parameter, update in zip(parameters, updates):
            parameter.mul_(1 - group['lr'] * group['weight_decay'])
            parameter.add_(update, alpha=-group['lr'] * _UPDATE_RMS * max(parameter.shape)**0.5)

    def _direction(self, parameter: nn.Parameter, group: dict) -> Tensor:
        state = self.state[parameter]
        if not state:
            state['momentum'] = torch.zeros_like(parameter)
        momentum = state['momentum']
        momentum.lerp_(parameter.grad, 1 - group['momentum'])
        return parameter.grad.lerp(momentum, group['momentum'])


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors and all singular values near one."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_NUM_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x


def _round_size(parameters: list[nn.Parameter]) -> int:
    """Return how many matrices are made orthogonal at a time: one by each process."""
    is_whole = not any(isinstance(parameter, DTensor) for parameter in parameters)
    return distributed.get_world_size() if distributed.is_initialized() and is_whole else 1


def _all_orthogonalised(matrices: list[Tensor]) -> list[Tensor]:
    """Return what `orthogonalised` does of the matrices of a round, which all processes have."""
    if len(matrices) == 1:
        return [orthogonalised(matrices[0])]
    updates = [orthogonalised(matrix).contiguous() if owner == distributed.get_rank()
               else torch.empty_like(matrix) for owner, matrix in enumerate(matrices)]
    for owner, update in enumerate(updates):
        distributed.broadcast(update, owner)
    return updates
