# SPDX-License-Identifier: Apache-2.0
"""How long work answers Ctrl-C: it says what stays, and that the same command goes on."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

STOPPED = 130
"""Exit status of a command that the user stopped."""


def say_stopped(console: Console, output: Path) -> int:
    """Tell where what is done stays; return `STOPPED`."""
    console.print(f'[yellow]stopped; what is done stays in {output}, and the same command goes '
                  'on[/]', soft_wrap=True, highlight=False)
    return STOPPED
