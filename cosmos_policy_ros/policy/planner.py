# SPDX-License-Identifier: Apache-2.0
"""Best of N: sample chunks, imagine where they lead, value that, choose.

Legend: N candidates, C channels, T latent frames, H W latent size, K chunk size, A action
dimensions, D search depths that count, M futures of a candidate, V values of a future.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.latent_injection import value_from_latent
from cosmos_policy_ros.policy.look_ahead import (
    candidate_pass, DepthPasses, look_ahead_passes, num_branches)
from cosmos_policy_ros.policy.network_pass import Batch, in_order, Network, NetworkPass
from cosmos_policy_ros.policy.pass_costs import PassCosts
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.stage_clock import StageClock
from cosmos_policy_ros.policy.value_aggregation import aggregate_values
from cosmos_policy_ros.spec.plan import (
    best_candidate, Candidate, CANDIDATES_AGREE, COMPLETE, DEADLINE, Plan)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What planning chose.

    Attributes:
        latents: Sequence with the chosen chunk and the future imagined for it with the most
            denoising steps. Shape (1, C, T, H, W).
        plan: What was considered; None if only that chunk was.
    """

    latents: Tensor
    plan: Plan | None

    @property
    def is_direct(self) -> bool:
        """Whether nothing but the chosen chunk was sampled."""
        return self.plan is None or (
            len(self.plan.candidates) == 1 and not self.plan.num_counted)


class _OutOfTimeError(Exception):
    """The next batch would end after the deadline."""


class Planner:
    """Plans one query.

    With a deadline, nothing but the first chunk is begun that is not expected to end in time.

    Args:
        settings: How to plan.
        seed: Seed of the first candidate.
        num_steps_action: Denoising steps of a chunk.
        policy: Network that samples chunks.
        imagination: Network that samples futures and values; may be the same.
        read_chunks: Reads the chunks (N, K, A), in the units of the robot, of sampled sequences.
        read_proprio: Reads the future joint vectors (N, A), in the same units.
        move_chunks: Returns sampled sequences (N, C, T, H, W) with their chunks moved at random,
            each by its own seed.
        as_executed: Returns sampled sequences with their chunks as they would be executed, so
            that what is valued is what is done.
        stages: Started with the query.
        costs: What passes took so far; learns from this query.
        end_s: When, on `stages`, the choice must be made, in [s].
        committed: Normalised actions that every candidate begins with; None for none. (*, A).
    """

    def __init__(
        self, *, settings: PlanningSettings, seed: int, num_steps_action: int, policy: Network,
        imagination: Network, read_chunks: Callable[[Tensor], np.ndarray],
        read_proprio: Callable[[Tensor], np.ndarray],
        move_chunks: Callable[[Tensor, Sequence[int]], Tensor],
        as_executed: Callable[[Tensor], Tensor], stages: StageClock,
        costs: PassCosts, end_s: float, committed: Tensor | None = None,
    ) -> None:
        self._settings = settings
        self._seed = seed
        self._num_steps_action = num_steps_action
        self._policy = policy
        self._imagination = imagination
        self._read_chunks = read_chunks
        self._read_proprio = read_proprio
        self._move_chunks = move_chunks
        self._as_executed = as_executed
        self._stages = stages
        self._costs = costs
        self._end_s = end_s
        self._committed = committed

    def choose(self, state: Tensor, direct_reason: str | None) -> Choice:
        """Plan.

        Args:
            state: Latents of the observation, joints injected. Shape (1, C, up to T, H, W).
            direct_reason: Why to take the first candidate without any comparison; None to plan.
        """
        requested = self._settings.num_candidates
        num_wanted = 1 if direct_reason else self._num_affordable(requested)
        sampled = self._sample(state, num_wanted)
        chunks = self._read_chunks(sampled)
        if direct_reason:
            return self._choice(sampled, chunks, [], direct_reason)
        if self._agree(chunks):
            return self._choice(sampled, chunks, [], CANDIDATES_AGREE)
        values: list[np.ndarray] = []
        if len(sampled) > 1 or requested == 1:
            values, futures = self._value(sampled)
            sampled = torch.cat((futures, sampled[len(values):]))
        reason = COMPLETE if len(values) == requested else DEADLINE
        return self._choice(sampled, chunks, values, reason)

    def _num_affordable(self, requested: int) -> int:
        """Return how many candidates can be sampled and valued in time; at least 1."""
        for count in range(requested, 1, -1):
            seeds = self._seeds(count)
            sampling = candidate_pass(seeds, self._num_steps_action)
            if self._fits(chain(sampling.batches(self._settings.max_batch),
                                self._look_ahead_batches(seeds))):
                return count
        return 1

    def _sample(self, state: Tensor, count: int) -> Tensor:
        wanted = candidate_pass(self._seeds(count), self._num_steps_action)
        drawn = []
        for batch in wanted.batches(self._settings.max_batch):
            if drawn and not self._fits([batch]):
                break
            drawn.append(self._draw(wanted, self._policy, state, batch, self._committed))
        return self._moved(torch.cat(drawn))  # (N, C, T, H, W)

    def _moved(self, sampled: Tensor) -> Tensor:
        """Move the chunks of the candidates that are to be."""
        first = 0 if self._settings.first_is_moved else 1
        if not self._settings.candidate_spread or len(sampled) <= first:
            return sampled
        seeds = self._seeds(len(sampled))[first:]
        return torch.cat((sampled[:first], self._move_chunks(sampled[first:], seeds)))

    def _agree(self, chunks: np.ndarray) -> bool:
        return len(chunks) > 1 and bool(
            np.ptp(chunks, axis=0).max() < self._settings.agree_threshold)

    def _value(self, sampled: Tensor) -> tuple[list[np.ndarray], Tensor]:
        """Value the first candidates, as many as there is time for.

        Returns:
            Values of each, of shape (D, M, V), and their future shown. Shape (*, C, T, H, W).
        """
        values: list[np.ndarray] = []
        futures = [sampled[:0]]
        seeds = self._seeds(len(sampled))
        while count := self._group_size(seeds[len(values):]):
            group = slice(len(values), len(values) + count)
            try:
                group_values, group_futures = self._look_ahead(
                    self._as_executed(sampled[group]), seeds[group])
            except _OutOfTimeError:
                break
            values.extend(group_values)
            futures.append(group_futures)
        return values, torch.cat(futures)

    def _group_size(self, seeds: Sequence[int]) -> int:
        """Return how many of these candidates to value next: a full batch, or what fits."""
        full = max(1, self._settings.max_batch // num_branches(self._settings))
        return next((count for count in range(min(full, len(seeds)), 0, -1)
                     if self._fits(self._look_ahead_batches(seeds[:count]))), 0)

    def _look_ahead(self, latents: Tensor, seeds: Sequence[int]) -> tuple[np.ndarray, Tensor]:
        """Return the values (N, D, M, V) of candidates, and the future shown of each."""
        branches = num_branches(self._settings)
        first, values = latents, []
        for depth, passes in enumerate(self._depths(seeds)):
            if passes.act:
                latents = self._run(
                    passes.act, self._policy, self._policy.model.advance(latents))
            if passes.imagine:
                latents = self._run(passes.imagine, self._imagination, latents)
            if depth == 0:
                # The last future of an ensemble has the most denoising steps.
                first = latents[branches - 1::branches]
            if passes.counts:
                judged = (self._run(passes.judge, self._imagination, latents) if passes.judge
                          else latents)
                values.append(self._read_values(judged, (len(seeds), branches, -1)))
        return np.stack(values, axis=1), first

    def _read_values(self, latents: Tensor, shape: tuple[int, int, int]) -> np.ndarray:
        values = value_from_latent(self._imagination.model.raw_value(latents))
        return values.double().cpu().numpy().reshape(shape)

    def _depths(self, seeds: Sequence[int]) -> list[DepthPasses]:
        return look_ahead_passes(self._settings, seeds, self._num_steps_action)

    def _look_ahead_batches(self, seeds: Sequence[int]) -> list[Batch]:
        return [batch for depth in self._depths(seeds) for one in depth.passes
                for batch in one.batches(self._settings.max_batch)]

    def _run(self, wanted: NetworkPass, network: Network, latents: Tensor) -> Tensor:
        batches = wanted.batches(self._settings.max_batch)
        drawn = []
        for batch in batches:
            if not self._fits([batch]):
                raise _OutOfTimeError
            drawn.append(self._draw(wanted, network, latents, batch))
        return in_order(batches, drawn)

    def _draw(
        self, wanted: NetworkPass, network: Network, latents: Tensor, batch: Batch,
        committed: Tensor | None = None,
    ) -> Tensor:
        with self._stages.stage(wanted.stage):
            drawn = wanted.draw(network, latents, batch, committed)
        self._costs.record_evaluations(batch, self._stages.last_s)
        return drawn

    def _fits(self, batches: Iterable[Batch]) -> bool:
        return self._end_s == np.inf or (
            self._stages.elapsed_s + self._costs.expected_s(batches) <= self._end_s)

    def _seeds(self, count: int) -> list[int]:
        return [self._seed + index for index in range(count)]

    def _choice(
        self, latents: Tensor, chunks: np.ndarray, values: Sequence[np.ndarray], reason: str,
    ) -> Choice:
        candidates = self._candidates(latents, chunks, values)
        winner = best_candidate(candidates)
        settings = self._settings
        return Choice(latents=latents[winner:winner + 1], plan=Plan(
            candidates=candidates, winner_index=winner, num_requested=settings.num_candidates,
            value_kind='joint' if settings.is_joint else settings.value_kind,
            aggregation=settings.aggregation, search_depth=settings.search_depth,
            future_steps=settings.future_steps, value_steps=settings.value_steps,
            deadline_s=settings.deadline_s, reason=reason, timings=self._stages.timings))

    def _candidates(
        self, latents: Tensor, chunks: np.ndarray, values: Sequence[np.ndarray],
    ) -> tuple[Candidate, ...]:
        fields = [{'seed': seed, 'chunk': chunk}
                  for seed, chunk in zip(self._seeds(len(chunks)), chunks)]
        for known, members in zip(fields, values):
            known |= {'member_values': members, 'value': self._aggregate(members)}
        if values and self._settings.future_steps:
            for known, joints in zip(fields, self._read_proprio(latents[:len(values)])):
                known['future_proprio'] = joints
        return tuple(Candidate(**known) for known in fields)

    def _aggregate(self, members: np.ndarray) -> float:
        """Combine values (D, M, V): over the depths of each branch, then over the ensemble."""
        return float(aggregate_values(
            members.mean(axis=0).ravel(), self._settings.aggregation))
