# SPDX-License-Identifier: Apache-2.0
"""Processor time and memory of another process."""

from __future__ import annotations

import threading
import time

import psutil

_PERIOD_S = 0.25


class WatchedProcess:
    """Context manager that watches a process meanwhile.

    Attributes:
        memory_mb: Most resident memory in [MB], what it shares with others included.
        own_memory_mb: Most memory that is its alone in [MB].
        cores: Processor time per time; 1 is one core all the time.
    """

    def __init__(self, process_id: int) -> None:
        """Choose the process."""
        self._process = psutil.Process(process_id)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.memory_mb = self.own_memory_mb = self.cores = 0.0

    def __enter__(self) -> WatchedProcess:
        self._start_s, self._start_cpu_s = time.monotonic(), self._cpu_s()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.cores = (self._cpu_s() - self._start_cpu_s) / (time.monotonic() - self._start_s)
        self._is_over.set()
        self._thread.join()

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _watch(self) -> None:
        while not self._is_over.wait(_PERIOD_S):
            memory = self._process.memory_full_info()
            self.memory_mb = max(self.memory_mb, memory.rss / 1e6)
            self.own_memory_mb = max(self.own_memory_mb, memory.uss / 1e6)
