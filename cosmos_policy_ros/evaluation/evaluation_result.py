# SPDX-License-Identifier: Apache-2.0
"""The rollouts of one policy under one setting: success rate, what it cost, and the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
from statistics import fmean, median
from types import MappingProxyType
from typing import Any

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout
from cosmos_policy_ros.evaluation.success import wilson_interval
from cosmos_policy_ros.evaluation.value_ranking import value_ranking

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        policy: Name of the policy.
        settings: All that the rollouts depend on besides their seeds.
        rollouts: The rollouts by ascending seed, at least one.
    """

    policy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    rollouts: tuple[Rollout, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, 'settings', MappingProxyType(dict(self.settings)))
        object.__setattr__(
            self, 'rollouts', tuple(sorted(self.rollouts, key=lambda rollout: rollout.seed)))

    @property
    def num_successes(self) -> int:
        """Rollouts that succeeded."""
        return sum(rollout.is_success for rollout in self.rollouts)

    @property
    def success_rate(self) -> float:
        """Share of rollouts that succeeded."""
        return self.num_successes / len(self.rollouts)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval of the success rate, 95 %."""
        return wilson_interval(self.num_successes, len(self.rollouts))

    @property
    def mean_score(self) -> float:
        """Mean of the rollouts' scores."""
        return fmean(rollout.score for rollout in self.rollouts)

    @property
    def success_time_s(self) -> float | None:
        """Mean virtual time that a success took in [s]; None without any."""
        times_s = [rollout.duration_s for rollout in self.rollouts if rollout.is_success]
        return fmean(times_s) if times_s else None

    @property
    def stages(self) -> dict[str, int]:
        """Furthest stage of the failures to how many came that far."""
        failures = [rollout.stage for rollout in self.rollouts if not rollout.is_success]
        return {stage: failures.count(stage) for stage in sorted(set(failures))}

    @property
    def value_ranking(self) -> float | None:
        """How often a success is valued above a failure at the same query; None if unknown."""
        return value_ranking(self.rollouts)

    @property
    def value_spread(self) -> float | None:
        """Median of how far the candidates of a plan were apart in value; None without plans."""
        return self._median_of_plans('value_spreads')

    @property
    def chunk_spread(self) -> float | None:
        """The same of their chunks, see `Plan.chunk_spread`."""
        return self._median_of_plans('chunk_spreads')

    @property
    def imagined_share(self) -> float | None:
        """Median of how far imagined joints follow the chunks, see `Plan.imagined_share`."""
        return self._median_of_plans('imagined_shares')

    def _median_of_plans(self, name: str) -> float | None:
        figures = [figure for rollout in self.rollouts for figure in getattr(rollout, name)]
        return median(figures) if figures else None

    @property
    def cost_per_virtual_s(self) -> ComputeTimes:
        """Wall time that one virtual second took."""
        virtual_s = sum(rollout.duration_s for rollout in self.rollouts)
        return ComputeTimes(**{
            name: sum(getattr(rollout.times, name) for rollout in self.rollouts) / virtual_s
            for name in ('physics_s', 'rendering_s', 'inference_s')})

    @property
    def inference_per_query_s(self) -> float:
        """Wall time of one query in [s]."""
        queries = sum(rollout.num_queries for rollout in self.rollouts)
        return sum(rollout.times.inference_s for rollout in self.rollouts) / max(queries, 1)

    def save(self, path: Path) -> None:
        """Write the result as JSON.

        Raises:
            RecordingError: If the file cannot be written.
        """
        low, high = self.interval
        content = {
            'format_version': FORMAT_VERSION, 'policy': self.policy,
            'summary': {'episodes': len(self.rollouts), 'successes': self.num_successes,
                        'success_rate': self.success_rate, 'wilson_95': [low, high],
                        'mean_score': self.mean_score, 'success_time_s': self.success_time_s,
                        'failures_by_stage': self.stages,
                        'value_ranking': self.value_ranking,
                        'value_spread': self.value_spread,
                        'chunk_spread': self.chunk_spread,
                        'imagined_share': self.imagined_share,
                        'inference_per_query_s': self.inference_per_query_s,
                        'cost_per_virtual_s': vars(self.cost_per_virtual_s)},
            'settings': dict(self.settings),
            'rollouts': [rollout.to_json() for rollout in self.rollouts]}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        except OSError as error:
            raise RecordingError(f'cannot write {path}: {error}') from error


def load_result(path: Path) -> EvaluationResult:
    """Read what `EvaluationResult.save` wrote.

    Raises:
        RecordingError: If the file cannot be read or is no evaluation.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if content['format_version'] != FORMAT_VERSION:
            raise RecordingError(f'{path} has format version {content["format_version"]}; '
                                 f'expected {FORMAT_VERSION}')
        return EvaluationResult(
            policy=content['policy'], settings=content['settings'],
            rollouts=tuple(Rollout.from_json(rollout) for rollout in content['rollouts']))
    except (OSError, ValueError) as error:
        raise RecordingError(f'cannot read {path}: {error}') from error
    except (KeyError, TypeError) as error:
        raise RecordingError(f'{path} is no evaluation: {error}') from error
