# SPDX-License-Identifier: Apache-2.0
"""How late this machine wakes a process that does nothing else, to judge other delays by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
import time

from cosmos_policy_ros.nodes.lifecycle import set_realtime

# Before every node: what delays this process is the machine, or the kernel.
PRIORITY = 50


@contextmanager
def watched_wake_ups(period_ms: float) -> Iterator[list[float]]:
    """Let a process sleep from deadline to deadline.

    Args:
        period_ms: Time between deadlines in [ms].

    Yields:
        Filled at the end: difference of each interval between wake-ups from the period in [ms].
    """
    deviations_ms: list[float] = []
    context = get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(target=_sleep_on, args=(theirs, period_ms), daemon=True)
    process.start()
    try:
        ours.recv()
        yield deviations_ms
        ours.send(None)
        deviations_ms.extend(ours.recv())
    finally:
        process.kill()
        process.join()


def _sleep_on(parent: Connection, period_ms: float) -> None:
    set_realtime(PRIORITY)
    parent.send(None)
    deviations_ms: list[float] = []
    before_ns = deadline_ns = time.monotonic_ns()
    while not parent.poll():
        deadline_ns += round(period_ms * 1e6)
        time.sleep(max(deadline_ns - time.monotonic_ns(), 0) / 1e9)
        now_ns = time.monotonic_ns()
        deviations_ms.append(abs((now_ns - before_ns) / 1e6 - period_ms))
        before_ns = now_ns
    parent.send(deviations_ms)
