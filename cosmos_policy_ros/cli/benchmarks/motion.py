# SPDX-License-Identifier: Apache-2.0
"""How smoothly the arms move: all strategies side by side, over latencies, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from cosmos_policy_ros.evaluation.motion_chunks import (
    ChunkSource, DisagreeingExpert, ModelChunks)
from cosmos_policy_ros.evaluation.motion_trial import MotionTrial, run_trial
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.robot.motion_settings import Strategy
from cosmos_policy_ros.robot.query_schedule import idle_share
from cosmos_policy_ros.spec.aloha import ALOHA, CHUNK_PERIOD_S, CHUNK_SIZE

LATENCIES_S = (0.15, 0.5, 0.95, 1.0, 1.8, 4.9)
MODEL_LATENCY_S = 0.5
EXPERT = 'expert'
# At the others a model's chunks run as those of the expert do.
MODEL_STRATEGIES = (Strategy.ASYNC_BLEND, Strategy.PREFIX_CONDITIONED)


@dataclass(frozen=True, kw_only=True)
class MotionRow:
    """One trial of the comparison.

    Attributes:
        chunks: Where the chunks came from.
        is_task: Whether these chunks do a task.
        least_idle_share: Share of time without motion that no schedule of one query at a time
            goes below.
        trial: What happened.
    """

    chunks: str
    is_task: bool
    least_idle_share: float
    trial: MotionTrial

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        trial = self.trial
        return {
            'chunks': self.chunks, 'strategy': trial.strategy.value,
            'latency_s': trial.latency_s, 'seed': trial.seed, 'duration_s': trial.duration_s,
            'received': trial.chunks, 'rejected': trial.rejected, 'idle_share': trial.idle_share,
            'least_idle_share': self.least_idle_share, 'jerk_rms_rad_s3': trial.jerk_rms,
            'takeover': _steps_as_json(trial.takeover), 'inside': _steps_as_json(trial.inside),
            'disagreement_rad': trial.disagreement_rad,
            'is_success': trial.is_success if self.is_task else None}


def measure_motion(
    *, checkpoint: str, latencies_s: Sequence[float] = LATENCIES_S, seed: int = 0,
    on_trial: Callable[[str], None] = lambda text: None,
) -> list[MotionRow]:
    """Run every strategy at every latency with the expert, and some with the model.

    Args:
        checkpoint: The model, a folder or a name.
        latencies_s: From an observation to the receipt of its chunk in [s].
        seed: Seed of scene and chunks.
        on_trial: Told before each trial what it is.
    """
    rows = []
    for name, source, is_task, strategy, latency_s in _trials(checkpoint, latencies_s):
        on_trial(f'{name}, {strategy.value}, {latency_s:g} s')
        rows.append(MotionRow(
            chunks=name, is_task=is_task,
            least_idle_share=idle_share(
                Strategy.ASYNC_BLEND, latency_s, CHUNK_SIZE * CHUNK_PERIOD_S),
            trial=run_trial(ALOHA, source, strategy, latency_s, seed)))
    return rows


def motion_table(rows: Sequence[MotionRow]) -> Table:
    """Return the comparison as a table."""
    table = Table(
        'chunks', 'latency', 'strategy', 'idle', 'least', 'gap', 'position step', 'speed step',
        'jerk', 'task',
        caption=escape(
            'least: what no schedule of one query at a time goes below. gap: median distance of '
            'old and new chunk at takeovers [mrad]. Steps: 99th percentiles from one command to '
            'the next, of the worst joint of an arm, during takeovers / elsewhere [mrad, rad/s]. '
            'jerk: root mean square, worst joint [rad/s^3]. The expert alone has no seams: to '
            'each chunk an offset of 0.01 rad and a drift of as much are added (standard '
            'deviations).'))
    for row in rows:
        trial = row.trial
        table.add_row(
            row.chunks, f'{trial.latency_s:g} s', trial.strategy.value,
            '–' if trial.idle_share is None else f'{trial.idle_share:.1%}',
            f'{row.least_idle_share:.1%}',
            '–' if trial.disagreement_rad is None else f'{1e3 * trial.disagreement_rad:.1f}',
            ' / '.join('–' if steps is None else f'{1e3 * steps[0]:.1f}'
                       for steps in (trial.takeover, trial.inside)),
            ' / '.join('–' if steps is None else f'{steps[1]:.3f}'
                       for steps in (trial.takeover, trial.inside)),
            '–' if trial.jerk_rms is None else f'{trial.jerk_rms:.0f}',
            {True: 'done', False: '[red]not done[/]'}[trial.is_success] if row.is_task else '')
    return table


def _steps_as_json(steps: tuple[float, float] | None) -> dict[str, float] | None:
    return steps and {'position_step_p99_rad': steps[0], 'speed_step_p99_rad_s': steps[1]}


def _trials(
    checkpoint: str, latencies_s: Sequence[float],
) -> Iterator[tuple[str, ChunkSource, bool, Strategy, float]]:
    expert = DisagreeingExpert(ALOHA)
    for latency_s in latencies_s:
        for strategy in Strategy:
            yield EXPERT, expert, True, strategy, latency_s
    policy = CosmosPolicy.load(checkpoint)
    name = policy.name if policy.is_trained else f'{policy.name} (untrained)'
    model = ModelChunks(policy, policy.known_tasks[0])
    for strategy in MODEL_STRATEGIES:
        yield name, model, policy.is_trained, strategy, MODEL_LATENCY_S
