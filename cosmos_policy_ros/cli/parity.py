# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy parity`: run our code on golden vectors and say how far it is from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
import tyro

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.parity_sections.golden import CaseResult, GoldenSection

COMPARED_SECTIONS = ('dit', 'tokenizer', 'sampler', 'latents', 'images', 'training', 'policy')


@dataclass(frozen=True, kw_only=True)
class ArrayCounts:
    """What became of the arrays of one section.

    Attributes:
        compared: Number of arrays compared with a result of ours.
        inputs: Number of arrays used as input only.
        untouched: Reason to number of arrays that were neither.
    """

    compared: int
    inputs: int
    untouched: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """Outcome of a parity run.

    Attributes:
        results: Every comparison.
        counts: Section to what became of its arrays.
    """

    results: tuple[CaseResult, ...]
    counts: Mapping[str, ArrayCounts]

    @property
    def failures(self) -> tuple[CaseResult, ...]:
        """Comparisons that failed or could not be made."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing failed."""
        compared = sum(counts.compared for counts in self.counts.values())
        return compared > 0 and not self.failures


def run_parity(directory: Path) -> ParityReport:
    """Compare our code with a folder of golden vectors.

    Args:
        directory: Folder with a `manifest.json` and the files that it lists.

    Raises:
        GoldenError: If the manifest cannot be read.
    """
    from cosmos_policy_ros.cli.parity_sections.golden import (
        CaseResult, GoldenError, read_manifest, read_section)
    sections: dict[str, GoldenSection] = {}
    failures: list[CaseResult] = []
    for name, info in read_manifest(directory).items():
        try:
            sections[name] = read_section(directory, name, info)
        except GoldenError as error:
            failures.append(CaseResult(section=name, case=name, problem=str(error)))
    for name in COMPARED_SECTIONS:
        if name in sections:
            _compare(name, sections)
    results = [result for section in sections.values() for result in section.results]
    return ParityReport(
        results=(*failures, *results),
        counts={name: _count_arrays(section) for name, section in sections.items()})


def parity(directory: Annotated[Path, tyro.conf.Positional]) -> int:
    """Compare our model with golden vectors of the reference, case by case.

    Exit status 1 if a comparison failed or nothing was compared.

    Args:
        directory: Folder with a manifest.json and the files that it lists.
    """
    from cosmos_policy_ros.cli.parity_sections.golden import GoldenError
    console = Console()
    try:
        report = run_parity(directory)
    except GoldenError as error:
        console.print(f'[red]{escape(str(error))}[/red]')
        return 1
    console.print(_results_table(report))
    console.print(_counts_table(report))
    console.print(_verdict(report))
    return 0 if report.passed else 1


def _compare(name: str, sections: Mapping[str, GoldenSection]) -> None:
    module = import_module(f'cosmos_policy_ros.cli.parity_sections.{name}')
    compare: Callable[[Mapping[str, GoldenSection]], None] = module.compare
    sections[name].attempt(name, lambda: compare(sections))


def _count_arrays(section: GoldenSection) -> ArrayCounts:
    compared = {result.case for result in section.results} & set(section.arrays)
    inputs = (set(section.arrays) & section.inputs) - compared
    default = 'no comparison is known for them'
    untouched = Counter(section.skipped.get(name, default)
                        for name in set(section.arrays) - compared - inputs)
    return ArrayCounts(compared=len(compared), inputs=len(inputs), untouched=untouched)


def _results_table(report: ParityReport) -> Table:
    table = Table('section', 'case', 'max difference', 'tolerance', 'result')
    for result in report.results:
        difference = '' if result.max_difference is None else f'{result.max_difference:.2e}'
        failure = f'[red]FAIL: {escape(result.problem)}[/red]'
        verdict = '[green]pass[/green]' if result.passed else failure
        table.add_row(result.section, result.case, difference, result.tolerance, verdict)
    return table


def _counts_table(report: ParityReport) -> Table:
    table = Table('section', 'arrays compared', 'used as input', 'not compared, and why')
    for section, counts in report.counts.items():
        reasons = '; '.join(f'{number}: {reason}' for reason, number in counts.untouched.items())
        table.add_row(section, str(counts.compared), str(counts.inputs), reasons or '-')
    return table


def _verdict(report: ParityReport) -> str:
    if report.passed:
        return f'[green]{len(report.results)} comparisons, all within tolerance[/green]'
    if not report.failures:
        return '[red]nothing was compared[/red]'
    return f'[red]{len(report.failures)} of {len(report.results)} comparisons failed[/red]'
