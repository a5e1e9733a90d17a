# SPDX-License-Identifier: Apache-2.0
"""What the managed nodes share: bringing themselves up, running, and going down on a signal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
import os
import signal
import sys
import threading
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
SIGNAL_ECHO_S = 1.0
_DESTROYERS = {
    'publishers': 'destroy_publisher', 'subscriptions': 'destroy_subscription',
    'services': 'destroy_service', 'clients': 'destroy_client', 'timers': 'destroy_timer'}


def bring_to(node: Node, state: str) -> None:
    """Trigger the transitions that lead a fresh lifecycle node to a state.

    Args:
        node: A lifecycle node in the state unconfigured.
        state: `unconfigured`, `inactive` or `active`.

    Raises:
        ConfigurationError: If a transition failed; `guarded` has logged why.
    """
    triggers = {'unconfigured': (), 'inactive': (node.trigger_configure,),
                'active': (node.trigger_configure, node.trigger_activate)}
    for trigger in triggers[state]:
        if trigger() != SUCCESS:
            raise ConfigurationError(f'{node.get_name()} cannot become {state}, see above')


def guarded(node: Node, transition: Callable[[], None]) -> TransitionCallbackReturn:
    """Run the work of a transition; an expected error is logged and fails the transition."""
    try:
        transition()
    except CosmosPolicyError as error:
        node.get_logger().error(str(error))
        return FAILURE
    return SUCCESS


def entities(node: Node) -> set[object]:
    """Return the publishers, subscriptions, services, clients and timers of a node."""
    return {entity for kind in _DESTROYERS for entity in getattr(node, kind)}


def disconnect(node: Node, kept: set[object]) -> None:
    """Destroy every entity of a node except those in `kept`."""
    for kind, destroyer in _DESTROYERS.items():
        for entity in [entity for entity in getattr(node, kind) if entity not in kept]:
            getattr(node, destroyer)(entity)


def set_priority(niceness: int, thread_id: int = 0) -> None:
    """Set the scheduling priority of a thread, or of the calling process' main thread.

    Args:
        niceness: From -20 (first) to 19 (last). Only root may go below the present one; who may
            not, keeps the present one.
        thread_id: Native id of a thread; 0 for the calling thread.
    """
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, thread_id, niceness)


def set_realtime(priority: int) -> None:
    """Let the calling thread, and all that it starts, go before whatever is not real-time.

    The kernel leaves the other processes a twentieth of every core. Needs root or an `rtprio`
    limit; who has neither, stays as it is.

    Args:
        priority: Of SCHED_FIFO, from 1 (after all other real-time threads) to 99 (first).
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def run(make_node: Callable[[], Node], argv: Sequence[str] | None = None, *,
        niceness: int = 0, realtime_priority: int = 0,
        before_end: Callable[[Node], Awaitable[None]] | None = None) -> int:
    """Spin one node until SIGINT or SIGTERM.

    Args:
        make_node: Makes the node.
        argv: Command line; that of the process by default.
        niceness: Scheduling priority of the process and of the threads that it starts.
        realtime_priority: Real-time priority of the same, which counts before the niceness
            wherever it is permitted; 0 for none.
        before_end: What to do on a signal while the node still spins; another signal cuts it
            short.

    Returns:
        Exit status of the process.
    """
    set_priority(niceness)
    if realtime_priority:
        set_realtime(realtime_priority)
    rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    # Made before signals can interrupt: an executor that is half made complains when it goes.
    executor = SingleThreadedExecutor()
    _listen_for_signals()
    node = None
    try:
        node = make_node()
        _spin(node, executor, before_end)
    except CosmosPolicyError as error:
        print(f'error: {error}', file=sys.stderr, flush=True)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _spin(node: Node, executor: SingleThreadedExecutor,
          before_end: Callable[[Node], Awaitable[None]] | None) -> None:
    """Spin in a thread of its own, so that a signal cuts no callback short.

    The main thread is left to the signals: Python handles them there only, and not while it waits
    for messages.
    """
    executor.add_node(node)
    is_over = threading.Event()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix='callbacks') as pool:
        try:
            spinning = pool.submit(_spin_until, is_over, executor)
            try:
                spinning.result()
            except KeyboardInterrupt:
                if before_end is not None:
                    _finish(executor, spinning, partial(before_end, node))
                raise
        finally:
            executor.create_task(is_over.set)


def _finish(executor: SingleThreadedExecutor, spinning: Future[None],
            work: Callable[[], Awaitable[None]]) -> None:
    is_done = threading.Event()

    async def finish() -> None:
        try:
            await work()
        finally:
            is_done.set()

    executor.create_task(finish)
    start_s = time.monotonic()
    while not is_done.wait(0.1) and not spinning.done():
        if time.monotonic() - start_s > SIGNAL_ECHO_S:
            # By now a signal is no echo of the first but another one.
            _listen_for_signals()


def _spin_until(is_over: threading.Event, executor: SingleThreadedExecutor) -> None:
    while not is_over.is_set():
        executor.spin_once()


def _listen_for_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    # Ctrl-C reaches every process of the terminal, and the bring-up sends it once more: the second
    # one must not cut the tidy end short.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
