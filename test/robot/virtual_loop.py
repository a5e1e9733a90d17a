# SPDX-License-Identifier: Apache-2.0
"""Policy and arms in virtual time: queries by schedule, chunks by delay, targets by executor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings, Strategy
from cosmos_policy_ros.robot.query_schedule import QuerySchedule
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
PERIOD_MS = 40
CONTROL_MS = 20
CHECK_MS = 10
POSES = np.zeros((50, 14))


@dataclass
class VirtualLoop:
    """One query at a time, answered after a delay; chunks of 2 s.

    Attributes:
        strategy: How chunks follow one another.
        delay_ms: Called for the delay of each query, from its observation to the arrival.
        loss: Called for each chunk; true if it never arrives.
        query: Further settings of the schedule.
    """

    strategy: Strategy
    delay_ms: Callable[[], float]
    loss: Callable[[], bool] = lambda: False
    query: QuerySettings = QuerySettings()

    def __post_init__(self) -> None:
        self.executor = ChunkExecutor(ALOHA, MotionSettings(strategy=self.strategy))
        self.rejections: list[str] = []
        self._schedule = QuerySchedule(replace(self.query, strategy=self.strategy))
        self._newest: ActionChunk | None = None
        self._published_ns = 0
        self._pending: tuple[int, ActionChunk] | None = None
        self._standing_since_ns: int | None = 0

    def run(self, duration_ms: int) -> list[bool]:
        """Return for every control tick since the first target whether there was one."""
        covered: list[bool] = []
        for now_ns in range(0, duration_ms * MS, CHECK_MS * MS):
            self._receive(now_ns)
            self._query(now_ns)
            if now_ns % (CONTROL_MS * MS) == 0:
                is_covered = self._tick(now_ns)
                if is_covered or covered:
                    covered.append(is_covered)
        return covered

    def idle_share(self, duration_ms: int) -> float:
        """Return the share of control ticks since the first target that had none."""
        covered = self.run(duration_ms)
        return 1 - sum(covered) / len(covered)

    def _receive(self, now_ns: int) -> None:
        if self._pending is None or now_ns < self._pending[0]:
            return
        self._newest, self._published_ns = self._pending[1], now_ns
        self._pending = None
        self._schedule.add_latency((now_ns - self._newest.stamp_ns) / NS_PER_S)
        if self.loss():
            return
        receipt = self.executor.submit(self._newest, now_ns, POSES[0], self._standing_since_ns)
        if not receipt.is_accepted:
            self.rejections.append(receipt.detail)

    def _query(self, now_ns: int) -> None:
        due_ns = self._schedule.due_ns(self._newest, self._published_ns)
        if self._pending is None and now_ns >= due_ns:
            self._pending = now_ns + round(self.delay_ms() * MS), ActionChunk(
                positions=POSES, stamp_ns=now_ns, period_ns=PERIOD_MS * MS)

    def _tick(self, now_ns: int) -> bool:
        is_covered = self.executor.target_at(now_ns) is not None
        if is_covered:
            self._standing_since_ns = None
        elif self._standing_since_ns is None:
            self._standing_since_ns = now_ns
        return is_covered
