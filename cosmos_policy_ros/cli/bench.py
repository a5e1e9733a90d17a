# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy bench`: measure, and say what is aimed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
import json
from pathlib import Path
import platform
from typing import Annotated, Literal, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
import tyro

if TYPE_CHECKING:
    from cosmos_policy_ros.cli.benchmarks.exchange_report import ExchangeReport
    from cosmos_policy_ros.cli.benchmarks.faults import FaultReport
    from cosmos_policy_ros.cli.benchmarks.figures import Figure
    from cosmos_policy_ros.cli.benchmarks.live_motion import LiveMotionReport
    from cosmos_policy_ros.cli.benchmarks.motion import MotionRow
    from cosmos_policy_ros.cli.benchmarks.recording_report import RecordingReport
    from cosmos_policy_ros.cli.benchmarks.soak import SoakReport

Benchmark = Literal['model', 'overhead', 'control', 'system', 'motion', 'live-motion',
                    'faults', 'soak', 'recording', 'kills', 'exchange']
CONTROL_MINUTES, SOAK_MINUTES = 0.5, 30.0


def bench(
    which: Annotated[tuple[Benchmark, ...], tyro.conf.Positional] = (
        'model', 'overhead', 'control', 'system', 'motion'), *,
    checkpoint: str = 'aloha_small', device: str = 'cpu', random: bool = False,
    latencies_s: tuple[float, ...] | None = None,
    minutes: float | None = None, seed: int = 0, seconds: float = 60.0, count: int = 300,
    json_file: Path | None = None, plot_file: Path | None = None,
) -> int:
    """Measure the model, the policy node's overhead, control jitter, the whole system and motion.

    Close other programs first: `control` and `system` run the simulated robot in real time for
    half a minute each. `motion` runs in virtual time: it takes minutes, and nothing disturbs it.
    `live-motion` does it over real topics in real time, `blocking` beside `async_blend`.
    `faults` injects every fault while the simulated arms move, and says how soon they held and
    why; it takes a minute and a half. `soak` does so at random for as long as wanted, and watches
    memory and late ticks. `recording` counts the frames that the recorder loses of four raw
    cameras, beside default DDS settings and a recorder that keeps all frames in memory. `kills`
    kills recording processes at random moments, recovers what they leave, and says how much is
    missing. `exchange` exports episodes of four cameras to every format, and imports few and many
    to compare the memory that takes. Exit status 1 if the arms did not do as they must, the
    recorder lost a message, or the memory of an import grew with the episodes.

    Args:
        which: What to measure; the first five by default.
        checkpoint: Folder of a checkpoint, or the name of one in models/. `live-motion` also
            takes `sway`, a policy that computes nothing.
        device: Torch device of `model`.
        random: Let `model` give the known model random weights; it takes as long as a trained one.
        latencies_s: Latencies of `motion` and `live-motion`, from an observation to the receipt of
            its chunk in [s]; by default six of 0.15 to 4.9, and 0.95 and 4.9.
        minutes: How long `soak` takes, and `control` watches, in [min]; by default 30 and 0.5.
        seed: Seed of the faults of `soak` and of the moments of `kills`.
        seconds: How long `recording` records, and `live-motion` moves by each strategy at each
            latency, in [s].
        count: How many processes `kills` kills.
        json_file: Also write the figures here.
        plot_file: Also draw the takeovers of `motion` at the second latency, as PNG.
    """
    console = Console()
    figures, motion, robustness = [], [], {}
    for name in which:
        with console.status(f'measuring: {name}') as status:
            if name == 'motion':
                motion = _measure_motion(
                    checkpoint, latencies_s, lambda text: status.update(f'motion: {text}'))
            elif name in ('faults', 'soak'):
                robustness[name] = _measure_robustness(
                    name, minutes or SOAK_MINUTES, seed,
                    lambda text: status.update(f'{name}: {text}'))
            elif name == 'live-motion':
                robustness[name] = _measure_live_motion(
                    checkpoint, latencies_s, seconds, seed,
                    lambda text: status.update(f'live-motion: {text}'))
            elif name == 'control':
                figures += _measure_control(checkpoint, minutes or CONTROL_MINUTES)
            elif name == 'recording':
                robustness[name] = _measure_recording(
                    seconds, lambda text: status.update(f'recording: {text}'))
            elif name == 'exchange':
                robustness[name] = _measure_exchange(
                    lambda text: status.update(f'exchange: {text}'))
            elif name == 'kills':
                figures += _measure_kills(
                    count, seed, lambda text: status.update(f'kills: {text}'))
            else:
                figures += _measure(name, checkpoint, device, random)
    for report in robustness.values():
        console.print(report.table())
    _print(console, figures, motion)
    if json_file is not None:
        json_file.write_text(json.dumps(
            {'machine': platform.processor() or platform.machine(),
             'figures': [asdict(figure) for figure in figures],
             'motion': [row.as_json() for row in motion],
             **{name: report.as_json() for name, report in robustness.items()}}, indent=2) + '\n')
    if plot_file is not None and motion:
        _plot_motion(motion, plot_file)
    return int(any(report.failures for report in robustness.values()))


def _measure_robustness(
    which: Literal['faults', 'soak'], minutes: float, seed: int, on_step: Callable[[str], None],
) -> FaultReport | SoakReport:
    if which == 'faults':
        from cosmos_policy_ros.cli.benchmarks.faults import rehearse_faults
        return rehearse_faults(on_step=on_step)
    from cosmos_policy_ros.cli.benchmarks.soak import soak
    return soak(minutes=minutes, seed=seed, on_step=on_step)


def _measure_recording(seconds: float, on_step: Callable[[str], None]) -> RecordingReport:
    from cosmos_policy_ros.cli.benchmarks.recording import measure_recording
    return measure_recording(duration_s=seconds, on_step=on_step)


def _measure_exchange(on_step: Callable[[str], None]) -> ExchangeReport:
    from cosmos_policy_ros.cli.benchmarks.exchange import measure_exchange
    return measure_exchange(on_step=on_step)


def _measure_kills(count: int, seed: int, on_step: Callable[[str], None]) -> list[Figure]:
    from cosmos_policy_ros.cli.benchmarks.kills import measure_kills
    return measure_kills(count=count, seed=seed, on_step=on_step)


def _measure_motion(
    checkpoint: str, latencies_s: tuple[float, ...] | None, on_trial: Callable[[str], None],
) -> list[MotionRow]:
    from cosmos_policy_ros.cli.benchmarks.motion import LATENCIES_S, measure_motion
    return measure_motion(
        checkpoint=checkpoint, latencies_s=latencies_s or LATENCIES_S, on_trial=on_trial)


def _measure_live_motion(
    checkpoint: str, latencies_s: tuple[float, ...] | None, seconds: float, seed: int,
    on_step: Callable[[str], None],
) -> LiveMotionReport:
    from cosmos_policy_ros.cli.benchmarks.live_motion import LIVE_LATENCIES_S, measure_live_motion
    return measure_live_motion(
        checkpoint=checkpoint, latencies_s=latencies_s or LIVE_LATENCIES_S, duration_s=seconds,
        seed=seed, on_step=on_step)


def _measure_control(checkpoint: str, minutes: float) -> list[Figure]:
    from cosmos_policy_ros.cli.benchmarks.live import measure_control
    return measure_control(checkpoint=checkpoint, duration_s=60 * minutes)


def _print(console: Console, figures: list[Figure], motion: list[MotionRow]) -> None:
    if figures:
        console.print(_table(figures))
    if motion:
        from cosmos_policy_ros.cli.benchmarks.motion import motion_table
        console.print(motion_table(motion))


def _plot_motion(motion: list[MotionRow], plot_file: Path) -> None:
    from cosmos_policy_ros.cli.benchmarks.motion import EXPERT
    from cosmos_policy_ros.evaluation.episode_plots import png_bytes
    from cosmos_policy_ros.evaluation.motion_plots import plot_seams
    latencies_s = list(dict.fromkeys(row.trial.latency_s for row in motion))
    shown_s = latencies_s[:2][-1]
    plot_file.write_bytes(png_bytes(plot_seams([
        row.trial for row in motion
        if row.chunks == EXPERT and row.trial.latency_s == shown_s])))


def _measure(
    which: Benchmark, checkpoint: str, device: str, random: bool,
) -> list[Figure]:
    if which == 'model':
        from cosmos_policy_ros.cli.benchmarks.model import measure_model
        return measure_model(checkpoint=checkpoint, device=device, random=random)
    if which == 'overhead':
        from cosmos_policy_ros.cli.benchmarks.overhead import measure_overhead
        return measure_overhead(checkpoint=checkpoint)
    from cosmos_policy_ros.cli.benchmarks.live import measure_system
    return measure_system(checkpoint=checkpoint)


def _table(figures: list[Figure]) -> Table:
    table = Table('figure', 'measured', 'aim', '')
    marks = {None: '', True: '[green]met[/]', False: '[red]missed[/]'}
    for figure in figures:
        bound = '>=' if figure.at_least else '<='
        aim = '' if figure.limit is None else f'{bound} {figure.limit:g} {figure.unit}'
        table.add_row(figure.name, f'{figure.value:.5g} {figure.unit}', aim,
                      marks[figure.is_met])
    return table
