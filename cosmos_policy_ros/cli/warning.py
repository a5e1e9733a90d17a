# SPDX-License-Identifier: Apache-2.0
"""How a command tells of an error that does not end it."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape


def say_warning(console: Console, error: Exception) -> None:
    """Tell of an error; what it names, a path above all, stays in one piece."""
    console.print(f'[yellow]{escape(str(error))}[/]', highlight=False, soft_wrap=True)
