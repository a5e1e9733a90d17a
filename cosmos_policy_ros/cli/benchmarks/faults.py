# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: every fault in the middle of motion, over real topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
import tempfile

from rich.markup import escape
from rich.table import Table

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, NodeSpec
from cosmos_policy_ros.cli.benchmarks.fault_cases import CASES, FaultCase
from cosmos_policy_ros.cli.benchmarks.fault_rehearsal import FaultOutcome, FaultRehearsal
from cosmos_policy_ros.cli.benchmarks.fault_signs import RehearsalSettings
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.nodes.motion_probe import MotionProbe
from cosmos_policy_ros.spec.aloha import ALOHA

DOMAIN_ID = '95'
# One camera at a low rate: rendering is what takes the processor away from everything else.
IMAGE_RATE_HZ = 10.0
MAX_IMAGE_AGE_S = 0.6


def rehearsed_nodes(settings: RehearsalSettings) -> list[NodeSpec]:
    """Return the simulated robot, the arms and a policy that moves for ever."""
    parameters = {
        'simulated_aloha_node': {'cameras': ['cam_high'], 'image_rate_hz': IMAGE_RATE_HZ},
        'arm_node': {**asdict(settings), 'start_on_activate': False},
        'policy_node': {'policy': 'sway', 'execution_horizon': 10,
                        'max_joint_age_s': settings.max_joint_age_s,
                        'max_image_age_s': MAX_IMAGE_AGE_S}}
    nodes = describe_bringup(BringupOptions(sim=True, record=False))
    return [replace(node, parameters={**node.parameters, **parameters[node.name]})
            for node in nodes]


@contextmanager
def running_rehearsal(
    settings: RehearsalSettings = RehearsalSettings(),
) -> Iterator[tuple[FaultRehearsal, NodeProcesses]]:
    """Run the nodes and move the arms; nothing is left behind."""
    stay_on_this_machine(DOMAIN_ID)
    with tempfile.TemporaryDirectory() as logs:
        with NodeProcesses(rehearsed_nodes(settings), log_directory=Path(logs)) as processes:
            with MotionProbe(ALOHA) as probe:
                rehearsal = FaultRehearsal(probe, processes, ALOHA, settings)
                rehearsal.begin()
                yield rehearsal, processes


@dataclass(frozen=True, kw_only=True)
class FaultReport:
    """The matrix.

    Attributes:
        outcomes: What became of each fault, in order.
    """

    outcomes: tuple[FaultOutcome, ...]

    @property
    def failures(self) -> list[FaultOutcome]:
        """Faults with problems."""
        return [outcome for outcome in self.outcomes if outcome.problems]

    def as_json(self) -> list[dict[str, object]]:
        """Everything, for a file."""
        return [asdict(outcome) for outcome in self.outcomes]

    def table(self) -> Table:
        """Return the matrix for people."""
        table = Table('fault', 'target', 'stop reason', 'to hold', 'noticeable to hold', 'ticks',
                      'resumed', 'attempts', 'problems')
        for outcome in self.outcomes:
            ticks = outcome.noticed_to_hold_ticks
            table.add_row(
                outcome.fault, outcome.target, outcome.reason, _ms(outcome.to_hold_ms),
                _ms(outcome.noticed_to_hold_ms), '' if ticks is None else str(ticks),
                'yes' if outcome.is_resumed else 'no', str(outcome.attempts),
                f'[red]{escape("; ".join(outcome.problems))}[/]' if outcome.problems else '')
        return table


def rehearse_faults(
    cases: Sequence[FaultCase] = CASES, *, attempts: int = 1,
    on_step: Callable[[str], None] = lambda text: None,
) -> FaultReport:
    """Run the matrix.

    Args:
        cases: The faults, in order.
        attempts: How often a fault is tried until it goes without a problem. On a busy machine
            streams pause by themselves for longer than they may; then the arms hold, as they
            must, but not because of the fault.
        on_step: Called with a line about how it goes.
    """
    outcomes = []
    with running_rehearsal() as (rehearsal, _):
        for index, case in enumerate(cases, start=1):
            on_step(f'{index} of {len(cases)}: {case.label}')
            outcome = rehearsal.run(case)
            while outcome.problems and outcome.attempts < attempts:
                outcome = replace(rehearsal.run(case), attempts=outcome.attempts + 1)
            outcomes.append(outcome)
    return FaultReport(outcomes=tuple(outcomes))


def _ms(duration_ms: float | None) -> str:
    return 'goes on' if duration_ms is None else f'{duration_ms:.0f} ms'
