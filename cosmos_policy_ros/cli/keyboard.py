# SPDX-License-Identifier: Apache-2.0
"""Single keys from a terminal, without Enter and without waiting."""

from __future__ import annotations

import select
import sys
import termios
import tty


class Keyboard:
    """Context manager; where standard input is no terminal, no key is ever pressed."""

    def __init__(self) -> None:
        """Look whether there is a terminal."""
        self._descriptor = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self._settings: list | None = None

    @property
    def is_there(self) -> bool:
        """Whether keys can be pressed."""
        return self._descriptor is not None

    def __enter__(self) -> Keyboard:
        if self._descriptor is not None:
            self._settings = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._settings is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._settings)

    def pressed(self) -> str:
        """Return the next key that was pressed; empty if none was."""
        if self._descriptor is None or not select.select([sys.stdin], [], [], 0.0)[0]:
            return ''
        return sys.stdin.read(1)
