# SPDX-License-Identifier: Apache-2.0
"""Places action chunks on the clock: late actions are skipped, never replayed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import Enum

import numpy as np

from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.robot import RobotSpec


class ChunkRejection(str, Enum):
    """Why a chunk was not taken."""

    NONE = 'none'
    NOT_STARTED = 'not_started'
    BEFORE_START = 'before_start'
    WRONG_SIZE = 'wrong_size'
    OLDER_OBSERVATION = 'older_observation'
    ALL_LATE = 'all_late'
    FUTURE_OBSERVATION = 'future_observation'


@dataclass(frozen=True, kw_only=True)
class ChunkReceipt:
    """What became of a submitted chunk.

    Attributes:
        rejection: Why the chunk was not taken; NONE if it was.
        detail: The same with values, for a log; empty if it was taken.
        num_late: Actions that were due on receipt already.
    """

    rejection: ChunkRejection = ChunkRejection.NONE
    detail: str = ''
    num_late: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether the chunk was taken."""
        return self.rejection is ChunkRejection.NONE


@dataclass(frozen=True, kw_only=True)
class _Course:
    """Poses on the clock: where the arms were on receipt, then the actions still due."""

    stamp_ns: int
    due_ns: tuple[int, ...]  # (N,), strictly increasing
    positions: np.ndarray  # (N, A)


class ChunkExecutor:
    """Targets from the newest chunk, interpolated between due times. Its owner holds the lock.

    A chunk replaces its predecessor from its receipt on: the course leads from the predecessor's
    target at that moment to the first action that is still due.
    """

    def __init__(self, robot: RobotSpec) -> None:
        """Create an executor without a chunk."""
        self._num_joints = robot.num_joints
        self._course: _Course | None = None

    @property
    def coverage_end_ns(self) -> int | None:
        """Time in [ns] at which the last action is due; None without a chunk."""
        return None if self._course is None else self._course.due_ns[-1]

    def submit(self, chunk: ActionChunk, now_ns: int, anchor: np.ndarray) -> ChunkReceipt:
        """Take a chunk, or say why not; a chunk that is not taken changes nothing.

        Args:
            chunk: The chunk.
            now_ns: The present in [ns].
            anchor: Where the arms are, for the case that no chunk covers the present. Shape (A,).
        """
        due_ns = tuple(chunk.due_ns(index) for index in range(len(chunk.positions)))
        num_late = bisect_right(due_ns, now_ns)
        rejection, detail = self._check(chunk, now_ns)
        if rejection is ChunkRejection.NONE:
            start = self.target_at(now_ns)
            self._course = _Course(
                stamp_ns=chunk.stamp_ns,
                due_ns=(now_ns, *due_ns[num_late:]),
                positions=np.vstack(
                    [anchor if start is None else start, chunk.positions[num_late:]]))
        return ChunkReceipt(rejection=rejection, detail=detail, num_late=num_late)

    def target_at(self, now_ns: int) -> np.ndarray | None:
        """Return the target at `now_ns`, shape (A,); None when no chunk covers it."""
        course = self._course
        if course is None or now_ns > course.due_ns[-1]:
            return None
        index = bisect_right(course.due_ns, now_ns)
        if index in (0, len(course.due_ns)):
            return course.positions[max(index - 1, 0)].copy()
        start_ns, end_ns = course.due_ns[index - 1:index + 1]
        start, end = course.positions[index - 1:index + 1]
        share = (now_ns - start_ns) / (end_ns - start_ns)
        # This form stays finite for any two finite actions; rounding may leave their hull.
        target = (1 - share) * start + share * end
        return np.clip(target, np.minimum(start, end), np.maximum(start, end))

    def next_action(self, now_ns: int) -> np.ndarray | None:
        """Return the first action due at `now_ns` or later, shape (A,); None if there is none."""
        course = self._course
        if course is None or now_ns > course.due_ns[-1]:
            return None
        index = bisect_left(course.due_ns, now_ns)
        return course.positions[max(index, 1)].copy()

    def clear(self) -> None:
        """Forget the chunk."""
        self._course = None

    def _check(self, chunk: ActionChunk, now_ns: int) -> tuple[ChunkRejection, str]:
        num_actions, num_joints = chunk.positions.shape
        lead_ns = chunk.stamp_ns - now_ns
        if num_joints != self._num_joints:
            return (ChunkRejection.WRONG_SIZE,
                    f'actions have {num_joints} joints, expected {self._num_joints}')
        if self._course is not None and chunk.stamp_ns < self._course.stamp_ns:
            behind_s = (self._course.stamp_ns - chunk.stamp_ns) / NS_PER_S
            return (ChunkRejection.OLDER_OBSERVATION,
                    f'its observation is {behind_s:.3f} s older than that of the current chunk')
        if chunk.end_ns <= now_ns:
            return (ChunkRejection.ALL_LATE,
                    f'all {num_actions} actions are late, the last by '
                    f'{(now_ns - chunk.end_ns) / NS_PER_S:.3f} s')
        if lead_ns > num_actions * chunk.period_ns:
            return (ChunkRejection.FUTURE_OBSERVATION,
                    f'its observation lies {lead_ns / NS_PER_S:.3f} s ahead of the clock; allowed '
                    f'is one chunk, {num_actions * chunk.period_ns / NS_PER_S:.3f} s')
        return ChunkRejection.NONE, ''
