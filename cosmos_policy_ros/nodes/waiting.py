# SPDX-License-Identifier: Apache-2.0
"""Waiting inside a callback without holding up the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from cosmos_policy_ros.nodes.timers import steady_timer


async def wait_until(
    node: Node, condition: Callable[[], bool], *, timeout_s: float, period_s: float = 0.02,
) -> bool:
    """Look at a condition again and again; return whether it held in time.

    The caller's own group must be a reentrant one, or it holds up the node meanwhile.

    Args:
        node: The node whose executor runs the caller.
        condition: What is waited for.
        timeout_s: How long to wait in [s].
        period_s: Time between two looks in [s].
    """
    deadline_s = time.monotonic() + timeout_s
    over: Future[bool] = Future()

    def look() -> None:
        if condition():
            over.set_result(True)
        elif time.monotonic() >= deadline_s:
            over.set_result(False)

    with passing_timer(node, period_s, look):
        return condition() or await over


@contextmanager
def passing_timer(node: Node, period_s: float, callback: Callable[[], object]) -> Iterator[None]:
    """Call back every `period_s` seconds while the context lasts, whatever waits meanwhile."""
    # A group remembers every timer that it ever had: this one goes with its timer.
    timer = steady_timer(node, period_s, callback, ReentrantCallbackGroup())
    try:
        yield
    finally:
        node.destroy_timer(timer)
