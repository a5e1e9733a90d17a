# SPDX-License-Identifier: Apache-2.0
"""Timers that go on whatever happens to the clock that stamps are taken from.

A timer of a node's own clock stands still for as long as that clock was set back, and with it
whatever it watches over.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


def steady_timer(
    node: Node, period_s: float, callback: Callable[[], object],
    callback_group: CallbackGroup | None = None,
) -> Timer:
    """Call back every `period_s` seconds of monotonic time.

    Args:
        node: The node that owns the timer.
        period_s: Time between two calls in [s].
        callback: What is called.
        callback_group: Its group; None for the node's own.
    """
    return node.create_timer(period_s, callback, callback_group=callback_group,
                             clock=Clock(clock_type=ClockType.STEADY_TIME))
