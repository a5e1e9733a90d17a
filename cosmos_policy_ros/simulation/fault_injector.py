# SPDX-License-Identifier: Apache-2.0
"""The faults that the simulated robot suffers from at present."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import threading
from typing import Any, TypeVar

from cosmos_policy_ros.simulation.driver_faults import begin_driver_fault, end_driver_fault
from cosmos_policy_ros.simulation.faults import EVERY_TARGET, Fault
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.stream_faults import make_stream_fault, Message, StreamFault

T = TypeVar('T')


@dataclass(frozen=True)
class _Active:
    fault: Fault
    stage: StreamFault[Any] | None


class FaultInjector:
    """Begins faults, ends them when their time is over, and spoils streams. Thread-safe.

    A fault that its target suffers from already begins anew. Faults of a stream follow one
    another in the order of their injection.
    """

    def __init__(self, simulation: SimulatedAloha, *, log: Callable[[str, str], None]) -> None:
        """Create an injector without a fault.

        Args:
            simulation: The robot.
            log: Called with level and text when a fault begins or ends.
        """
        self._simulation, self._log = simulation, log
        self._lock = threading.RLock()
        self._active: list[_Active] = []

    def inject(self, faults: Sequence[Fault], now_ns: int) -> None:
        """Begin faults."""
        with self._lock:
            for fault in faults:
                self._end([active for active in self._active
                           if (active.fault.kind, active.fault.target)
                           == (fault.kind, fault.target)], now_ns)
                self._begin(fault, now_ns)

    def clear(self, target: str, now_ns: int) -> int:
        """End every fault of a target, of all targets if empty; return how many ended."""
        with self._lock:
            ended = [active for active in self._active
                     if target in EVERY_TARGET or active.fault.target == target]
            self._end(ended, now_ns)
            return len(ended)

    def end_overdue(self, now_ns: int) -> None:
        """End the faults whose time is over."""
        with self._lock:
            self._end([active for active in self._active if active.fault.is_over(now_ns)], now_ns)

    def names(self, target: str) -> frozenset[str]:
        """Names of the faults that a target suffers from."""
        with self._lock:
            return frozenset(active.fault.kind.name for active in self._active
                             if active.fault.target == target)

    def spoil(self, target: str, content: T, stamp_ns: int, now_ns: int) -> list[Message[T]]:
        """Return what a stream publishes now instead of a message.

        Args:
            target: The arm or camera.
            content: What the message says.
            stamp_ns: Its stamp in [ns].
            now_ns: The present in [ns].
        """
        messages = [Message(content=content, stamp_ns=stamp_ns)]
        with self._lock:
            for active in self._active:
                if active.fault.target == target and active.stage is not None:
                    messages = [spoiled for message in messages
                                for spoiled in active.stage.spoil(message, now_ns)]
        return messages

    def _begin(self, fault: Fault, now_ns: int) -> None:
        stage = make_stream_fault(fault)
        if fault.kind.hits == 'arm' and stage is None:
            with self._simulation.driver(fault.target) as driver:
                begin_driver_fault(fault, driver, now_ns)
        self._active.append(_Active(fault, stage))
        self._log('warn', f'fault {fault.kind.name} of {fault.target} begins: {fault.kind.text}')

    def _end(self, ended: Sequence[_Active], now_ns: int) -> None:
        for active in ended:
            self._active.remove(active)
            fault = active.fault
            if fault.kind.hits == 'arm' and active.stage is None:
                with self._simulation.driver(fault.target) as driver:
                    end_driver_fault(fault, driver, now_ns)
            self._log('info', f'fault {fault.kind.name} of {fault.target} ends')
