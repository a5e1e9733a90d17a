# SPDX-License-Identifier: Apache-2.0
"""The system for a long time: motion and random faults, while memory and ticks are watched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from random import Random
import time

import numpy as np
import psutil
from rich.table import Table

from cosmos_policy_ros.cli.benchmarks.fault_cases import CASES, FaultCase
from cosmos_policy_ros.cli.benchmarks.fault_rehearsal import FaultOutcome, FaultRehearsal
from cosmos_policy_ros.cli.benchmarks.faults import running_rehearsal
from cosmos_policy_ros.cli.processes import NodeProcesses
from cosmos_policy_ros.spec.aloha import ALOHA

NODES = ('simulated_aloha_node', 'arm_node', 'policy_node')
LONGEST_QUIET_S = 4.0
# Buffers fill and modules load in the beginning.
WARM_UP_SHARE = 0.25
# A process that dies is another one afterwards, whose memory says nothing about the first.
CASES_OF_SOAK = tuple(case for case in CASES if case.name != 'policy_death')


@dataclass(kw_only=True)
class SoakReport:
    """What happened in a long run.

    Attributes:
        duration_s: How long it took in [s].
        outcomes: Every fault, in order.
        times_s: When memory was sampled in [s] since the start.
        memory_mb: Resident memory of each node at those times in [MB].
        ticks: Control ticks.
        late_ticks: Those later than 1.5 periods.
        max_tick_period_s: Longest control period in [s].
    """

    duration_s: float = 0.0
    outcomes: list[FaultOutcome] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    memory_mb: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in NODES})
    ticks: int = 0
    late_ticks: int = 0
    max_tick_period_s: float = 0.0

    @property
    def failures(self) -> list[FaultOutcome]:
        """Faults with problems."""
        return [outcome for outcome in self.outcomes if outcome.problems]

    def growth_mb_per_hour(self, name: str) -> float:
        """Slope of a node's memory after the warm-up; 0 with too few samples."""
        first = int(len(self.times_s) * WARM_UP_SHARE)
        times_h, memory = np.array(self.times_s[first:]) / 3600, self.memory_mb[name][first:]
        return float(np.polyfit(times_h, memory, 1)[0]) if len(memory) > 2 else 0.0

    def table(self) -> Table:
        """Return the summary for people."""
        table = Table('figure', 'value')
        table.add_row('duration', f'{self.duration_s / 60:.1f} min')
        table.add_row('faults', str(len(self.outcomes)))
        table.add_row('faults with problems', str(len(self.failures)))
        for outcome in self.failures:
            table.add_row(f'  {outcome.fault} {outcome.target}', '; '.join(outcome.problems))
        table.add_row('control ticks', str(self.ticks))
        table.add_row('late ticks', f'{self.late_ticks} '
                                    f'({self.late_ticks / max(self.ticks, 1):.2%})')
        table.add_row('longest control period', f'{self.max_tick_period_s * 1e3:.0f} ms')
        for name, memory in self.memory_mb.items():
            table.add_row(f'memory of {name}', f'{memory[0]:.1f} to {memory[-1]:.1f} MB, '
                                               f'{self.growth_mb_per_hour(name):+.1f} MB/h')
        return table

    def as_json(self) -> dict[str, object]:
        """Everything, for a file."""
        return {**asdict(self), 'growth_mb_per_hour': {
            name: self.growth_mb_per_hour(name) for name in NODES}}


def soak(
    *, minutes: float, seed: int, on_step: Callable[[str], None],
) -> SoakReport:
    """Move for a long time and inject faults at random.

    Args:
        minutes: How long in [min].
        seed: Seed of the faults and the pauses between them.
        on_step: Called with a line about how it goes.
    """
    report, random = SoakReport(), Random(seed)
    with running_rehearsal() as (rehearsal, processes):
        start_s = time.monotonic()
        while report.duration_s < 60 * minutes:
            case = random_case(random)
            on_step(f'{report.duration_s / 60:.1f} of {minutes:g} min, {len(report.outcomes)} '
                    f'faults, {len(report.failures)} with problems, next {case.label}')
            rehearsal.move(random.uniform(0.0, LONGEST_QUIET_S))
            report.outcomes.append(rehearsal.run(case))
            report.duration_s = time.monotonic() - start_s
            _sample(report, rehearsal, processes)
    return report


def random_case(random: Random) -> FaultCase:
    """Draw a fault, and where it can hit either arm, the arm."""
    case = random.choice(CASES_OF_SOAK)
    arms = [arm.name for arm in ALOHA.arms]
    return replace(case, target=random.choice(arms)) if case.target in arms else case


def _sample(report: SoakReport, rehearsal: FaultRehearsal, processes: NodeProcesses) -> None:
    report.times_s.append(report.duration_s)
    for name, memory in report.memory_mb.items():
        memory.append(psutil.Process(processes.process_id(name)).memory_info().rss / 1e6)
    report.ticks, report.late_ticks, longest_s = rehearsal.ticks
    report.max_tick_period_s = max(report.max_tick_period_s, longest_s)
