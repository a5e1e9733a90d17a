# SPDX-License-Identifier: Apache-2.0
"""How one recorded stream is doing: count, recent rate, longest gap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StreamHealth:
    """Health of one stream.

    Attributes:
        messages: Messages so far.
        rate_hz: Messages per second since the last look, in [Hz].
        max_gap_s: Longest time between two messages so far, the running one included, in [s].
    """

    messages: int
    rate_hz: float
    max_gap_s: float


class StreamMeter:
    """Counts messages. Its owner holds the lock."""

    def __init__(self, now_ns: int) -> None:
        """Begin to measure at a time in [ns]."""
        self._last_ns = self._looked_ns = now_ns
        self._messages = self._looked_messages = 0
        self._max_gap_ns = 0

    def count(self, now_ns: int) -> None:
        """Take note of a message that arrived at a time in [ns]."""
        self._max_gap_ns = max(self._max_gap_ns, now_ns - self._last_ns)
        self._last_ns = now_ns
        self._messages += 1

    def look(self, now_ns: int) -> StreamHealth:
        """Return the health at a time in [ns]; the rate is that since the last look."""
        elapsed_s = max(now_ns - self._looked_ns, 1) / 1e9
        health = StreamHealth(
            messages=self._messages,
            rate_hz=(self._messages - self._looked_messages) / elapsed_s,
            max_gap_s=max(self._max_gap_ns, now_ns - self._last_ns) / 1e9)
        self._looked_ns, self._looked_messages = now_ns, self._messages
        return health
