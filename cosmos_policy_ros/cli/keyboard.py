# SPDX-License-Identifier: Apache-2.0
"""Single keys from a terminal, without Enter and without waiting."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

_ESCAPE = '\x1b'


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
        if self._descriptor is None or not select.select([self._descriptor], [], [], 0.0)[0]:
            return ''
        # Not through `sys.stdin`, which would keep to itself what it read beyond one key.
        key = os.read(self._descriptor, 1).decode(errors='ignore')
        if key == _ESCAPE:
            # An arrow key is several characters, none of which is meant.
            self.forget()
            return ''
        return key

    def forget(self) -> None:
        """Forget keys that were pressed and not read: they were meant for what was then."""
        if self._descriptor is not None:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
