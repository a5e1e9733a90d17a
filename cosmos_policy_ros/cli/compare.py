# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy compare`: two evaluations on the same seeds, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
import tyro

from cosmos_policy_ros.evaluation.comparison import compare_rollouts, PairedComparison
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult, load_result

_SIGNIFICANT = 0.05


def compare(
    first: Annotated[Path, tyro.conf.Positional], second: Annotated[Path, tyro.conf.Positional],
) -> int:
    """Compare two results of `cosmos-policy evaluate` that ran the same seeds.

    Every seed is a scene that both sides met, so that luck with scenes cancels: only the scenes
    on which one succeeded and the other failed count (McNemar's exact test).

    Args:
        first: evaluation.json of the one side, for example what is in use.
        second: evaluation.json of the other, for example what is to replace it.
    """
    console = Console()
    sides = load_result(first), load_result(second)
    comparison = compare_rollouts(*(side.rollouts for side in sides))
    console.print(_table(sides, (first, second)))
    for line in _differing_settings(*sides):
        console.print(f'  {escape(line)}', highlight=False)
    console.print(_verdict(comparison), highlight=False)
    return 0


def _table(sides: tuple[EvaluationResult, ...], paths: tuple[Path, ...]) -> Table:
    table = Table(title='success on the same seeds')
    for name in ('side', 'policy', 'success', '95 %', 'mean score', 'file'):
        table.add_column(name)
    for name, side, path in zip(('first', 'second'), sides, paths):
        low, high = side.interval
        table.add_row(name, escape(side.policy), f'{side.num_successes}/{len(side.rollouts)}',
                      f'{low:.0%} to {high:.0%}', f'{side.mean_score:.2f}', escape(str(path)))
    return table


def _differing_settings(first: EvaluationResult, second: EvaluationResult) -> list[str]:
    names = sorted({*first.settings, *second.settings})
    return [f'{name}: {first.settings.get(name)} / {second.settings.get(name)}' for name in names
            if first.settings.get(name) != second.settings.get(name)]


def _verdict(comparison: PairedComparison) -> str:
    low, high = comparison.interval()
    is_clear = comparison.p_value < _SIGNIFICANT
    side = 'second' if comparison.difference > 0 else 'first'
    conclusion = (f'[green]the {side} is better[/]' if is_clear
                  else '[yellow]no difference can be told[/]')
    return (f'only the first succeeded on {comparison.num_first_only} seeds, only the second on '
            f'{comparison.num_second_only}, both on {comparison.num_both}, neither on '
            f'{comparison.num_neither}\n'
            f'difference {comparison.difference:+.1%} (95 %: {low:+.1%} to {high:+.1%}), '
            f'p = {comparison.p_value:.3g}: {conclusion}')
