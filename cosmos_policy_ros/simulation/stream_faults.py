# SPDX-License-Identifier: Apache-2.0
"""Streams that are lost, frozen, late, out of order or wrongly stamped.

Each stage takes the message of now and returns those that leave it now. What a stage still holds
when its fault ends is lost.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from random import Random
from typing import Generic, Protocol, TypeVar

from cosmos_policy_ros.simulation.faults import Fault

T = TypeVar('T')


@dataclass(frozen=True, kw_only=True)
class Message(Generic[T]):
    """One message of a stream.

    Attributes:
        content: What it says.
        stamp_ns: The time that is written on it in [ns].
    """

    content: T
    stamp_ns: int


class StreamFault(Protocol[T]):
    """A stage that spoils a stream."""

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Take the message of now; return those that leave now."""
        ...


class Drop(Generic[T]):
    """Loses each message with the probability `share`."""

    def __init__(self, share: float, random: Random) -> None:
        self._share, self._random = share, random

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Lose the message, or not."""
        return [] if self._random.random() < self._share else [message]


class Freeze(Generic[T]):
    """Repeats the content of its first message; `is_stamp_frozen`: under its stamp."""

    def __init__(self, *, is_stamp_frozen: bool) -> None:
        self._is_stamp_frozen = is_stamp_frozen
        self._first: Message[T] | None = None

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Return the first message, stamped as chosen."""
        if self._first is None:
            self._first = message
        if self._is_stamp_frozen:
            return [self._first]
        return [replace(self._first, stamp_ns=message.stamp_ns)]


class Delay(Generic[T]):
    """Holds every message back for `delay_ns` in [ns]; its stamp tells."""

    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._waiting: deque[tuple[int, Message[T]]] = deque()

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Return the messages whose time has come."""
        self._waiting.append((now_ns + self._delay_ns, message))
        due = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            due.append(self._waiting.popleft()[1])
        return due


class Reorder(Generic[T]):
    """Holds `size` messages back, then lets them go in random order."""

    def __init__(self, size: int, random: Random) -> None:
        self._size, self._random = size, random
        self._held: list[Message[T]] = []

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Return a whole group, or nothing."""
        self._held.append(message)
        if len(self._held) < self._size:
            return []
        group, self._held = self._held, []
        self._random.shuffle(group)
        return group


class ClockJump(Generic[T]):
    """Stamps messages `offset_ns` ahead of the clock in [ns]."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns

    def spoil(self, message: Message[T], now_ns: int) -> list[Message[T]]:
        """Return the message under its wrong stamp."""
        return [replace(message, stamp_ns=max(0, message.stamp_ns + self._offset_ns))]


def make_stream_fault(fault: Fault) -> StreamFault[T] | None:
    """Return the stage of a fault; None if it is not one of a stream."""
    kind = fault.kind.name.partition('_')[2]
    makers = {
        'drop': lambda: Drop(fault.amount, Random(fault.seed)),
        'freeze': lambda: Freeze(is_stamp_frozen=False),
        'repeat': lambda: Freeze(is_stamp_frozen=True),
        'delay': lambda: Delay(round(fault.amount * 1e9)),
        'reorder': lambda: Reorder(round(fault.amount), Random(fault.seed)),
        'clock_jump': lambda: ClockJump(round(fault.amount * 1e9))}
    return makers[kind]() if kind in makers else None
