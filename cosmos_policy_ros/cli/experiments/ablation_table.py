# SPDX-License-Identifier: Apache-2.0
"""The table of `cosmos-policy ablate`, alone and inside a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from cosmos_policy_ros.cli.experiments.ablation_variants import Expected
from cosmos_policy_ros.cli.experiments.stage import duration_text
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.comparison import compare_rollouts, PairedComparison
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult
from cosmos_policy_ros.recording.durable_file import write_durably

BEGIN, END = '<!-- begin of the ablations -->', '<!-- end of the ablations -->'
JSON, MARKDOWN = 'ablations.json', 'ablations.md'
_SIGNIFICANT = 0.05
_HEADS = ('Variant', 'Task', 'Seeds', 'Training seed', 'Success', 'Wilson 95 %',
          'Action error [rad]', 'Wall time', 'Beside the paper')


@dataclass(frozen=True, kw_only=True)
class AblationRow:
    """One row.

    Attributes:
        text: What is different.
        task: Task of the episodes.
        expected: Which way the paper saw success go.
        paper: What the paper found.
        result: The evaluation.
        reference: The evaluation that it is compared with.
        is_reference: Whether that is this row itself.
        training_seed: Seed of the training; None of a checkpoint that was given.
        action_error: Error of a chunk on held-out demonstrations in [rad]; None if not measured.
        elapsed_s: Time of training and evaluation in [s].
    """

    text: str
    task: str
    expected: Expected
    paper: str
    result: EvaluationResult
    reference: EvaluationResult
    is_reference: bool
    training_seed: int | None
    action_error: float | None
    elapsed_s: float

    @property
    def comparison(self) -> PairedComparison:
        """How this row compares with its reference on the same seeds."""
        return compare_rollouts(self.reference.rollouts, self.result.rollouts)

    @property
    def verdict(self) -> str:
        """Whether the row goes the paper's way, as a sentence."""
        if self.is_reference:
            return 'Reference of the rows below.'
        comparison = self.comparison
        difference = (f'{100 * comparison.difference:+.0f} points, p = {comparison.p_value:.2g}')
        if self.expected is Expected.UNKNOWN:
            return f'{difference}; {self.paper}.'
        way = 'lower' if self.expected is Expected.LOWER else 'higher'
        return f'{difference}: {self._direction(comparison)} (it found {way}: {self.paper}).'

    def _direction(self, comparison: PairedComparison) -> str:
        if not comparison.difference:
            return "no difference, unlike the paper's"
        agrees = (comparison.difference > 0) == (self.expected is Expected.HIGHER)
        text = "the paper's direction" if agrees else "against the paper's direction"
        return text if comparison.p_value < _SIGNIFICANT else f'{text}, but within chance'

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        return {'variant': self.text, 'task': self.task, 'seeds': _seeds(self.result),
                'training_seed': self.training_seed, 'successes': self.result.num_successes,
                'episodes': len(self.result.rollouts), 'wilson_95': self.result.interval,
                'action_error_rad': self.action_error, 'elapsed_s': round(self.elapsed_s, 1),
                'difference': self.comparison.difference, 'p_value': self.comparison.p_value,
                'paper': self.paper, 'verdict': self.verdict}


def ablation_table(rows: Sequence[AblationRow]) -> str:
    """Return the table as Markdown, with a line feed at its end."""
    lines = [_HEADS, ('---',) * len(_HEADS), *map(_cells, rows)]
    return ''.join(f'| {" | ".join(cells)} |\n' for cells in lines)


def write_ablations(
    rows: Sequence[AblationRow], folder: Path, document: Path | None, console: Console,
) -> None:
    """Write ablations.json and ablations.md into a folder, and the table into a document.

    Raises:
        ConfigurationError: If the disk refuses or the document lacks its markers.
    """
    table = ablation_table(rows)
    try:
        write_durably(folder / JSON, json.dumps([row.as_json() for row in rows], indent=2) + '\n')
        write_durably(folder / MARKDOWN, table)
        if document is not None:
            before, after = check_document(document)
            write_durably(document, f'{before}{BEGIN}\n{table}{END}{after}')
    except OSError as error:
        raise ConfigurationError(f'cannot write the table: {error}') from error
    for row in rows:
        low, high = row.result.interval
        console.print(f'[bold]{row.text}[/]: {row.result.num_successes} of '
                      f'{len(row.result.rollouts)} ({low:.0%} to {high:.0%}). {row.verdict}',
                      highlight=False)
    console.print(f'  table {document or folder / MARKDOWN}', highlight=False, soft_wrap=True)


def check_document(path: Path) -> tuple[str, str]:
    """Return what stands before and after the table in a document.

    Raises:
        ConfigurationError: If it cannot be read or does not have both markers, once and in order.
    """
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise ConfigurationError(f'cannot read document {path}: {error}') from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ConfigurationError(
            f'document {path} must hold the lines {BEGIN!r} and {END!r} once, in this order; the '
            'table goes between them')
    return text[:text.index(BEGIN)], text[text.index(END) + len(END):]


def _cells(row: AblationRow) -> tuple[str, ...]:
    result = row.result
    return (
        row.text, f'`{row.task}`', _seeds(result),
        'given' if row.training_seed is None else str(row.training_seed),
        f'{result.num_successes}/{len(result.rollouts)}',
        '{:.0%} to {:.0%}'.format(*result.interval),
        '–' if row.action_error is None else f'{row.action_error:.4f}',
        duration_text(row.elapsed_s), row.verdict)


def _seeds(result: EvaluationResult) -> str:
    return f'{result.rollouts[0].seed} to {result.rollouts[-1].seed}'
