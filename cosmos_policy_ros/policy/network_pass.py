# SPDX-License-Identifier: Apache-2.0
"""Passes of the network over many samples at once.

Legend: N samples of a pass, B samples drawn at once, C channels, T latent frames, H W latent size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.dit import TextKeysValues
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.diffusion.sampler import call_sigmas


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model that is ready for one task.

    Attributes:
        model: The model.
        text: Keys and values of the task.
    """

    model: CosmosModel
    text: TextKeysValues


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of a pass that are drawn at once, all with as many network evaluations.

    Attributes:
        samples: Their indices in the pass, B of them.
        num_steps: Denoising steps of each.
        num_evaluations: Times that the network is called.
    """

    samples: tuple[int, ...]
    num_steps: int
    num_evaluations: int


@dataclass(frozen=True, kw_only=True)
class NetworkPass:
    """Samples to draw in one role, each from clean latents with a seed and a number of steps.

    Attributes:
        stage: Name for its timing.
        role: What the network is used for.
        parents: Which of the given latents each sample starts from, N of them.
        seeds: Seed of each sample.
        num_steps: Denoising steps of each sample.
    """

    stage: str
    role: NetworkRole
    parents: tuple[int, ...]
    seeds: tuple[int, ...]
    num_steps: tuple[int, ...]

    def batches(self, max_batch: int) -> list[Batch]:
        """Group the samples that take as many evaluations, at most `max_batch` at once."""
        alike: dict[int, list[int]] = defaultdict(list)
        for index, num_steps in enumerate(self.num_steps):
            alike[network_evaluations(num_steps)].append(index)
        return [Batch(samples=tuple(samples[start:start + max_batch]),
                      num_steps=self.num_steps[samples[0]], num_evaluations=evaluations)
                for evaluations, samples in alike.items()
                for start in range(0, len(samples), max_batch)]

    def draw(
        self, network: Network, latents: Tensor, batch: Batch, committed: Tensor | None = None,
    ) -> Tensor:
        """Draw the samples of a batch.

        Args:
            network: Who draws.
            latents: What `parents` counts in. Shape (*, C, up to T, H, W).
            batch: One of `batches`.
            committed: Normalised actions that all chunks begin with; None for none. Shape (*, A).

        Returns:
            Shape (B, C, T, H, W).
        """
        parents = torch.tensor([self.parents[i] for i in batch.samples], device=latents.device)
        return network.model.sample(
            latents[parents], role=self.role, text=network.text,
            seeds=[self.seeds[i] for i in batch.samples], num_steps=batch.num_steps,
            committed=committed)


def network_evaluations(num_steps: int) -> int:
    """Return how often a sample with this many denoising steps calls the network."""
    return len(call_sigmas(num_steps, sigma_max=2.0, sigma_min=1.0))


def in_order(batches: Sequence[Batch], drawn: Sequence[Tensor]) -> Tensor:
    """Put the samples of all batches of a pass back into its order. Shape (N, C, T, H, W)."""
    order = torch.tensor([index for batch in batches for index in batch.samples])
    return torch.cat(tuple(drawn))[order.argsort().to(drawn[0].device)]
