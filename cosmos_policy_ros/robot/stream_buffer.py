# SPDX-License-Identifier: Apache-2.0
"""The newest sample of one stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from cosmos_policy_ros.robot.settings import NS_PER_S

T = TypeVar('T')


@dataclass(frozen=True, kw_only=True)
class Sample(Generic[T]):
    """One sample of a stream.

    Attributes:
        value: What was sent.
        stamp_ns: Time that the sender wrote on it in [ns].
        received_ns: Time of its arrival in [ns], on this process' clock.
    """

    value: T
    stamp_ns: int
    received_ns: int


class StreamBuffer(Generic[T]):
    """Keeps the newest sample; refuses older and repeated stamps. Its owner holds the lock.

    A newest sample that lies ahead of the clock refuses nothing: otherwise one wrong stamp, or a
    clock that was set back, would block the stream for good.

    Attributes:
        num_older: Samples refused because a newer one was here.
        num_repeated: Samples refused since the stamp last advanced, because they repeated it.
    """

    def __init__(self, *, future_tolerance_s: float) -> None:
        """Create an empty buffer; stamps may lie ahead of the clock by `future_tolerance_s`."""
        self._future_tolerance_s = future_tolerance_s
        self._newest: Sample[T] | None = None
        self.num_older = 0
        self.num_repeated = 0

    @property
    def newest(self) -> Sample[T] | None:
        """The newest sample; None until one was taken."""
        return self._newest

    def push(self, value: T, stamp_ns: int, received_ns: int) -> bool:
        """Take a sample that is newer than the newest; return whether it was taken."""
        newest = self._newest
        if newest is not None and stamp_ns == newest.stamp_ns:
            self.num_repeated += 1
            return False
        if newest is not None and stamp_ns < newest.stamp_ns and not self._is_ahead(received_ns):
            self.num_older += 1
            return False
        self._newest = Sample(value=value, stamp_ns=stamp_ns, received_ns=received_ns)
        self.num_repeated = 0
        return True

    def age_ns(self, now_ns: int) -> int | None:
        """Age of the newest sample by its stamp in [ns]; None until one was taken."""
        return None if self._newest is None else now_ns - self._newest.stamp_ns

    def problem(self, now_ns: int, *, max_age_s: float) -> str | None:
        """Say why the newest sample cannot be used at `now_ns`; None if it can."""
        age_ns = self.age_ns(now_ns)
        if age_ns is None:
            return 'missing'
        if self._is_ahead(now_ns):
            return (f'stamp lies {-age_ns / NS_PER_S:.3f} s ahead of the clock '
                    f'(limit {self._future_tolerance_s:.3f} s)')
        if age_ns <= max_age_s * NS_PER_S:
            return None
        frozen = f', frozen: stamp repeated {self.num_repeated} times' if self.num_repeated else ''
        return f'{age_ns / NS_PER_S:.3f} s old (limit {max_age_s:.3f} s){frozen}'

    def _is_ahead(self, now_ns: int) -> bool:
        return -self.age_ns(now_ns) > self._future_tolerance_s * NS_PER_S
