# SPDX-License-Identifier: Apache-2.0
"""The bar of commands that run episode after episode."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def episode_progress(console: Console) -> Progress:
    """Return a bar that counts episodes and estimates the time that is left."""
    return Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                    TimeRemainingColumn(), console=console)
