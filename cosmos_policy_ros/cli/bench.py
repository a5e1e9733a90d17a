# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy bench`: measure, and say what is aimed at."""

from __future__ import annotations

from dataclasses import asdict
import json
from pathlib import Path
import platform
from typing import Annotated, Literal, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
import tyro

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.benchmarks.figures import Figure

Benchmark = Literal['model', 'overhead', 'control', 'system']


def bench(
    which: Annotated[tuple[Benchmark, ...], tyro.conf.Positional] = (
        'model', 'overhead', 'control', 'system'), *,
    checkpoint: str = 'aloha_small', device: str = 'cpu', random: bool = False,
    json_file: Path | None = None,
) -> int:
    """Measure the model, the policy node's overhead, control jitter and the whole system.

    Close other programs first: `control` and `system` run the simulated robot in real time for
    half a minute each.

    Args:
        which: What to measure; all by default.
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        device: Torch device of `model`.
        random: Let `model` give the known model random weights; it takes as long as a trained one.
        json_file: Also write the figures here.
    """
    console = Console()
    figures = []
    for name in which:
        with console.status(f'measuring: {name}'):
            figures += _measure(name, checkpoint, device, random)
    console.print(_table(figures))
    if json_file is not None:
        json_file.write_text(json.dumps(
            {'machine': platform.processor() or platform.machine(),
             'figures': [asdict(figure) for figure in figures]}, indent=2) + '\n')
    return 0


def _measure(
    which: Benchmark, checkpoint: str, device: str, random: bool,
) -> list[Figure]:
    if which == 'model':
        from cosmos_policy_ros.cli.benchmarks.model import measure_model
        return measure_model(checkpoint=checkpoint, device=device, random=random)
    if which == 'overhead':
        from cosmos_policy_ros.cli.benchmarks.overhead import measure_overhead
        return measure_overhead(checkpoint=checkpoint)
    from cosmos_policy_ros.cli.benchmarks.live import measure_control, measure_system
    measure = measure_control if which == 'control' else measure_system
    return measure(checkpoint=checkpoint)


def _table(figures: list[Figure]) -> Table:
    table = Table('figure', 'measured', 'aim', '')
    marks = {None: '', True: '[green]met[/]', False: '[red]missed[/]'}
    for figure in figures:
        bound = '>=' if figure.at_least else '<='
        aim = '' if figure.limit is None else f'{bound} {figure.limit:g} {figure.unit}'
        table.add_row(figure.name, f'{figure.value:.5g} {figure.unit}', aim,
                      marks[figure.is_met])
    return table
