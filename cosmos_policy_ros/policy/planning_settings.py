# SPDX-License-Identifier: Apache-2.0
"""How a query is planned."""

from __future__ import annotations

from dataclasses import dataclass
import math

from cosmos_policy_ros.diffusion.latent_layout import VALUE_ROLES
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.value_aggregation import AGGREGATIONS, ensemble_steps

DEPTH_AGGREGATIONS = ('last', 'average')


@dataclass(frozen=True, kw_only=True)
class PlanningSettings:
    """Settings of one query in planning mode; the defaults are the smallest best-of-8.

    Candidate i has the seed of the query plus i, member m of an ensemble the seed of its candidate
    plus m; with `imagination_seed` that plus m, whatever the candidate.

    Attributes:
        num_candidates: Action chunks to compare.
        candidate_spread: Every candidate but the first is moved at random by so much (standard
            deviation) in [rad], for grippers in shares of their travel; 0 for none. A policy that
            is sure of itself samples almost the same chunk with every seed.
        first_is_moved: Whether the first is moved too, as those of a share of a plan are.
        imagination_seed: Seed of the futures and values of all candidates, so that their values
            differ by what the candidates do alone and not by the noise; None for the seed of
            each.
        is_joint: Whether the value is the one that comes with the chunk in the same sample.
        value_kind: What values a candidate otherwise: `v_next` the imagined future alone,
            `v_full` the whole transition, `q` the chunk without imagining.
        num_futures: Futures of each candidate, with 1 to `num_denoising_steps_future` steps; a
            single one has them all.
        num_values: Values of each future, likewise.
        num_denoising_steps_action: Denoising steps of a chunk; None for those of the query.
        num_denoising_steps_future: Most denoising steps of a future.
        num_denoising_steps_value: Most denoising steps of a value.
        aggregation: How the values of a candidate become one, one of `AGGREGATIONS`.
        search_depth: Chunks to look ahead; each future is continued by a chunk of its own.
        depth_aggregation: Which depths count: the `last`, or the `average` of all.
        deadline_s: Time for the whole query in [s]; 0 for any.
        max_batch: Samples drawn at once.
        agree_threshold: Candidates agree, and are not valued, if no joint at no step differs
            by more, in [rad] and shares of a gripper's travel; 0 to value them always.
        uncertainty: What the caller knows against the direct answer, for example the value spread
            of its last plan or how wrong the last prediction was; None if it knows nothing.
        uncertainty_threshold: A known uncertainty below this is answered directly; 0 to plan
            always.

    Raises:
        ConfigurationError: If a value is impossible or two contradict each other.
    """

    num_candidates: int = 8
    candidate_spread: float = 0.0
    first_is_moved: bool = False
    imagination_seed: int | None = None
    is_joint: bool = False
    value_kind: str = 'v_next'
    num_futures: int = 1
    num_values: int = 1
    num_denoising_steps_action: int | None = None
    num_denoising_steps_future: int = 5
    num_denoising_steps_value: int = 5
    aggregation: str = 'average'
    search_depth: int = 1
    depth_aggregation: str = 'last'
    deadline_s: float = 0.0
    max_batch: int = 16
    agree_threshold: float = 0.0
    uncertainty: float | None = None
    uncertainty_threshold: float = 0.0

    def __post_init__(self) -> None:
        for name in ('num_candidates', 'num_futures', 'num_values', 'num_denoising_steps_action',
                     'num_denoising_steps_future', 'num_denoising_steps_value', 'search_depth',
                     'max_batch'):
            self._check_count(name)
        for name in ('candidate_spread', 'deadline_s', 'agree_threshold', 'uncertainty',
                     'uncertainty_threshold'):
            self._check_amount(name)
        seed = self.imagination_seed
        if seed is not None and (type(seed) is not int or seed < 0):
            raise ConfigurationError(
                f'imagination_seed is {seed!r}; a whole number from 0 is required')
        for name, known in (('value_kind', VALUE_ROLES), ('aggregation', AGGREGATIONS),
                            ('depth_aggregation', DEPTH_AGGREGATIONS)):
            if getattr(self, name) not in tuple(known):
                raise ConfigurationError(
                    f'{name} is {getattr(self, name)!r}; allowed is {", ".join(known)}')
        self._check_contradictions()

    @property
    def future_steps(self) -> tuple[int, ...]:
        """Denoising steps of each future; empty where none is sampled on its own."""
        if self.is_joint or self.value_kind == 'q':
            return ()
        return _member_steps(self.num_denoising_steps_future, self.num_futures)

    @property
    def value_steps(self) -> tuple[int, ...]:
        """Denoising steps of each value of a future; empty where none is sampled on its own."""
        if self.is_joint:
            return ()
        return _member_steps(self.num_denoising_steps_value, self.num_values)

    @property
    def is_needed(self) -> bool:
        """Whether the caller's uncertainty asks for a plan."""
        return self.uncertainty is None or self.uncertainty >= self.uncertainty_threshold

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name == 'num_denoising_steps_action':
            return
        if type(value) is not int or value < 1:
            raise ConfigurationError(f'{name} is {value!r}; a whole number from 1 is required')

    def _check_amount(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name == 'uncertainty':
            return
        if not (math.isfinite(value) and value >= 0):
            raise ConfigurationError(f'{name} is {value!r}; a number from 0 is required')

    def _check_contradictions(self) -> None:
        q = not self.is_joint and self.value_kind == 'q'
        for is_wrong, text in (
                (self.is_joint and self.candidate_spread > 0,
                 f'is_joint with candidate_spread {self.candidate_spread:g}: a joint value is '
                 'that of the chunk as it was sampled'),
                (self.is_joint and self.num_futures > 1,
                 f'is_joint with num_futures {self.num_futures}: a joint sample has one future'),
                (self.is_joint and self.num_values > 1,
                 f'is_joint with num_values {self.num_values}: a joint sample has one value'),
                (q and self.num_futures > 1,
                 f"value_kind 'q' with num_futures {self.num_futures}: Q imagines no future"),
                (q and self.search_depth > 1,
                 f"value_kind 'q' with search_depth {self.search_depth}: Q imagines no future to "
                 'search from')):
            if is_wrong:
                raise ConfigurationError(text)


PUBLISHED_PLANNING = PlanningSettings(
    num_candidates=8, num_denoising_steps_action=10, num_futures=3, num_values=5,
    aggregation='majority_mean')
"""The setting behind the published planning results, for the planning checkpoint."""


def _member_steps(num_steps: int, num_members: int) -> tuple[int, ...]:
    # A single sample is no ensemble: it is denoised in full.
    return (num_steps,) if num_members == 1 else tuple(ensemble_steps(num_steps, num_members))
