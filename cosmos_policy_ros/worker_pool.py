# SPDX-License-Identifier: Apache-2.0
"""Processes that work for this one: Ctrl-C is for who started them, and they end with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
import multiprocessing
from multiprocessing.connection import wait
import os
import signal
from threading import Thread
from types import TracebackType
from typing import Any


class WorkerPool(ProcessPoolExecutor):
    """Fresh processes; they end at once when their context ends with an error or is killed.

    Args:
        workers: How many.
        initializer: What each runs first.
        *arguments: What it is told.
    """

    def __init__(self, workers: int, initializer: Callable[..., object] | None = None,
                 *arguments: Any) -> None:
        super().__init__(workers, mp_context=multiprocessing.get_context('spawn'),
                         initializer=_begin, initargs=(initializer, arguments))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        """Let a process call a function."""
        # Processes begin here and inherit what is blocked; Ctrl-C reaches a whole terminal.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(function, *arguments, **named)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool | None:
        """Wait for the processes; after an error, end them first."""
        if kind is not None:
            for child in multiprocessing.active_children():
                child.terminate()
            # The executor's own thread waits for the processes: two who wait miss one another.
            self.shutdown(wait=True, cancel_futures=True)
        return super().__exit__(kind, error, trace)


def _begin(initializer: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


def _end_with_parent() -> None:
    """End this process when its parent was killed: nobody waits for what it does."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
