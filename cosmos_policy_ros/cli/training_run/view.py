# SPDX-License-Identifier: Apache-2.0
"""What a user sees of a training: a bar with the time left, and lines that stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cosmos_policy_ros.cli.warning import say_warning
from cosmos_policy_ros.errors import CheckpointError
from cosmos_policy_ros.training.run_folder import RunFolder
from cosmos_policy_ros.training.trainer import StepReport
from cosmos_policy_ros.training.validation import ValidationReport

REPORT_PERIOD_S = 30.0


class RunView:
    """Shows and logs a run; a context in which the bar is there.

    Args:
        console: Where to show it.
        folder: Where to log it.
        tensorboard: Whether to write a TensorBoard log as well.
    """

    def __init__(self, console: Console, folder: RunFolder, *, tensorboard: bool) -> None:
        self._console, self._folder = console, folder
        self._writer: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter
            self._writer = SummaryWriter(str(folder.path / 'tensorboard'))
        self._progress = Progress(
            TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(),
            TextColumn('{task.fields[left]}'), console=console)
        self._task = self._progress.add_task('training', total=1.0, left='')
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._first_s: float | None = None
        self._reported_s = 0.0
        self._steps_at_report = 0

    def __enter__(self) -> RunView:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Take the bar away and close the logs."""
        self._progress.stop()

    def show(self, report: StepReport, *, progress: float, elapsed_s: float,
             batch_size: int) -> None:
        """Show a step, and every now and then a line of means that stays."""
        if self._first_s is None:
            self._first_s, self._first_progress = elapsed_s, progress
            self._reported_s, self._steps_at_report = elapsed_s, report.step
        self._sums['loss'].append(report.loss)
        self._sums['gradient_norm'].append(report.gradient_norm)
        for name, value in report.parts.items():
            self._sums[name].append(value)
        done = progress - self._first_progress
        left_s = ((elapsed_s - self._first_s) / done * (1 - progress)) if done > 0 else None
        self._progress.update(
            self._task, completed=progress, left=_left(left_s),
            description=f'step {report.step}  loss {report.loss:.3f}')
        if elapsed_s - self._reported_s >= REPORT_PERIOD_S:
            self._report(report, elapsed_s, batch_size)

    def show_validation(self, step: int, reports: Sequence[ValidationReport]) -> None:
        """Show and log how good the model is."""
        for report in reports:
            self._console.print(
                f'[green]validation[/] step {step}, {report.num_steps} denoising '
                f'step{"s" * (report.num_steps > 1)}: action {report.action:.4f} rad, '
                f'joints {report.future_proprio:.4f} rad, value {report.value:.4f}, views '
                f'{report.future_views:.3f} (present {report.present_views:.3f})',
                highlight=False, soft_wrap=True)
            self._log(step, {f'validation_{report.num_steps}/{name}': value
                             for name, value in asdict(report).items() if name != 'num_steps'})

    def _report(self, report: StepReport, elapsed_s: float, batch_size: int) -> None:
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        rate = ((report.step - self._steps_at_report) * batch_size
                / (elapsed_s - self._reported_s))
        self._console.print(_line(report, means, rate), highlight=False, soft_wrap=True)
        self._log(report.step, {**means, 'learning_rate': report.learning_rate,
                                'samples_per_s': rate, 'elapsed_s': elapsed_s})
        self._sums.clear()
        self._reported_s, self._steps_at_report = elapsed_s, report.step

    def _log(self, step: int, values: dict[str, float]) -> None:
        try:
            self._folder.log({'step': step, **values})
            if self._writer is not None:
                for name, value in values.items():
                    self._writer.add_scalar(name, value, step)
                self._writer.flush()
        # A disk that is full must not end the run.
        except (CheckpointError, OSError) as error:
            say_warning(self._console, error)


def _line(report: StepReport, means: dict[str, float], rate: float) -> str:
    def kind(name: str, *parts: str) -> str:
        values = [(part, [value for key, value in means.items()
                          if key.startswith(f'{name}/{part}')]) for part in parts]
        return '  '.join(f'{part.removeprefix("future_")} {sum(found) / len(found):.3f}'
                         for part, found in values if found)
    views = tuple(sorted({key.partition('/')[2] for key in means if '/future_' in key}
                         - {'future_proprio'}))
    return (f'step {report.step}  loss {means["loss"]:.3f}  {rate:.0f} samples/s  '
            f'[b]policy[/] {kind("policy", "action", "future_proprio", *views, "value")}  '
            f'[b]world[/] {kind("world_model", *views)}  [b]value[/] {kind("value", "value")}')


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ''
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d} left'
