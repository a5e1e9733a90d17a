# SPDX-License-Identifier: Apache-2.0
"""Which passes it takes to look ahead of sampled chunks and value what they lead to.

A candidate has one branch per future. Where the search is deeper, each branch is continued by one
chunk and one future of its own, so that the cost is proportional to the depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cosmos_policy_ros.diffusion.latent_layout import NetworkRole, VALUE_ROLES
from cosmos_policy_ros.policy.network_pass import NetworkPass
from cosmos_policy_ros.policy.planning_settings import PlanningSettings


@dataclass(frozen=True, kw_only=True)
class DepthPasses:
    """Passes of one depth; each starts from what the one before it sampled.

    Attributes:
        act: Samples the chunk of each branch; None where the candidate is that chunk.
        imagine: Samples the future of each branch; None where it comes with the chunk.
        judge: Samples the values of each branch; None where they come with the future.
        counts: Whether the values at this depth take part in the aggregate.
    """

    act: NetworkPass | None
    imagine: NetworkPass | None
    judge: NetworkPass | None
    counts: bool

    @property
    def passes(self) -> Iterator[NetworkPass]:
        """Those there are."""
        return (one for one in (self.act, self.imagine, self.judge) if one is not None)


def candidate_pass(seeds: Sequence[int], num_steps: int) -> NetworkPass:
    """Return the pass that samples one chunk per seed from the latents of the observation."""
    return NetworkPass(
        stage='candidates', role=NetworkRole.POLICY, parents=(0,) * len(seeds),
        seeds=tuple(seeds), num_steps=(num_steps,) * len(seeds))


def num_branches(settings: PlanningSettings) -> int:
    """Return how many branches each candidate has."""
    return max(1, len(settings.future_steps))


def look_ahead_passes(
    settings: PlanningSettings, seeds: Sequence[int], num_steps_action: int,
) -> list[DepthPasses]:
    """Return the passes of each depth for the candidates with these seeds.

    Args:
        settings: How to plan.
        seeds: Seeds of the candidates; branches are sorted by candidate, then by future.
        num_steps_action: Denoising steps of a chunk.
    """
    if settings.imagination_seed is not None:
        seeds = [settings.imagination_seed] * len(seeds)
    depths = []
    for depth in range(settings.search_depth):
        counts = settings.depth_aggregation == 'average' or depth == settings.search_depth - 1
        depths.append(DepthPasses(
            act=_act(settings, seeds, num_steps_action) if depth else None,
            imagine=_imagine(settings, seeds, depth) if settings.future_steps else None,
            judge=_judge(settings, seeds) if counts and settings.value_steps else None,
            counts=counts))
    return depths


def _act(
    settings: PlanningSettings, seeds: Sequence[int], num_steps_action: int,
) -> NetworkPass:
    branches = [seed for seed in seeds for _ in range(num_branches(settings))]
    return NetworkPass(
        stage='next_chunks', role=NetworkRole.POLICY, parents=tuple(range(len(branches))),
        seeds=tuple(branches), num_steps=(num_steps_action,) * len(branches))


def _imagine(settings: PlanningSettings, seeds: Sequence[int], depth: int) -> NetworkPass:
    branches = _members(seeds, settings.future_steps)
    parents = range(len(branches)) if depth else (parent for parent, _, _ in branches)
    return NetworkPass(
        stage='futures', role=NetworkRole.WORLD_MODEL, parents=tuple(parents),
        seeds=tuple(seed for _, seed, _ in branches),
        num_steps=tuple(steps for _, _, steps in branches))


def _judge(settings: PlanningSettings, seeds: Sequence[int]) -> NetworkPass:
    branches = [seed for seed in seeds for _ in range(num_branches(settings))]
    parents, member_seeds, steps = zip(*_members(branches, settings.value_steps))
    return NetworkPass(stage='values', role=VALUE_ROLES[settings.value_kind], parents=parents,
                       seeds=member_seeds, num_steps=steps)


def _members(seeds: Sequence[int], steps: Sequence[int]) -> list[tuple[int, int, int]]:
    """Parent, seed and denoising steps of each member of each parent's ensemble."""
    return [(parent, seed + member, num_steps) for parent, seed in enumerate(seeds)
            for member, num_steps in enumerate(steps)]
