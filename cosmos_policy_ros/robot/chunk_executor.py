# SPDX-License-Identifier: Apache-2.0
"""Turns action chunks into targets over time: nothing replayed, nothing beyond the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from cosmos_policy_ros.robot.chunk_strategies import Course, taken_over
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.robot import RobotSpec

# A chunk that is played whole begins where its observation saw the arms: at the end of the motion
# before, give or take the age of an image.
OBSERVED_BEFORE_END_NS = 700_000_000


class ChunkRejection(str, Enum):
    """Why a chunk was not taken."""

    NONE = 'none'
    NOT_STARTED = 'not_started'
    BEFORE_START = 'before_start'
    WRONG_SIZE = 'wrong_size'
    OLDER_OBSERVATION = 'older_observation'
    STALE_OBSERVATION = 'stale_observation'
    ALL_LATE = 'all_late'
    FUTURE_OBSERVATION = 'future_observation'
    STILL_PLAYING = 'still_playing'


@dataclass(frozen=True, kw_only=True)
class ChunkReceipt:
    """What became of a submitted chunk.

    Attributes:
        rejection: Why the chunk was not taken; NONE if it was.
        detail: The same with values, for a log; empty if it was taken.
        num_late: Actions that were due on receipt already and are skipped.
    """

    rejection: ChunkRejection = ChunkRejection.NONE
    detail: str = ''
    num_late: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether the chunk was taken."""
        return self.rejection is ChunkRejection.NONE


class ChunkExecutor:
    """Targets from the chunks received, by the strategy in force. Its owner holds the lock.

    Chunks are placed on the clock by the stamp of their observation; actions that are late then
    are skipped. Time that the arms have stood still since that observation does not count: what a
    chunk says of it has not happened yet, and is played from its receipt on. Hence a chunk for
    arms at rest is played whole, however long inference took, and one for arms that ran out of
    actions during inference goes on where they stopped. The strategy `blocking` plays every chunk
    whole from its receipt.
    """

    def __init__(self, robot: RobotSpec, settings: MotionSettings = MotionSettings()) -> None:
        """Create an executor without a chunk."""
        self._num_joints = robot.num_joints
        self._settings = settings
        self.clear()

    @property
    def coverage_end_ns(self) -> int | None:
        """Time in [ns] at which the last action is due; None without a chunk."""
        return None if self._course is None else self._course.end_ns

    def configure(self, settings: MotionSettings) -> None:
        """Change how chunks follow one another, from the next one on."""
        self._settings = settings

    def submit(
        self, chunk: ActionChunk, now_ns: int, anchor: np.ndarray,
        standing_since_ns: int | None = None,
    ) -> ChunkReceipt:
        """Take a chunk, or say why not; a chunk that is not taken changes nothing.

        Args:
            chunk: The chunk.
            now_ns: The present in [ns].
            anchor: Where the arms are, for the case that no chunk covers the present. Shape (A,).
            standing_since_ns: Since when the arms have stood still in [ns]; None if they move.
        """
        placed = self._placed(chunk, now_ns, standing_since_ns)
        num_late = _num_late(placed, now_ns)
        rejection, detail = self._check(chunk, placed, now_ns)
        if rejection is not ChunkRejection.NONE:
            return ChunkReceipt(rejection=rejection, detail=detail, num_late=num_late)
        self._course = taken_over(
            self._course_at(now_ns), placed, now_ns, anchor, self._settings)
        self._newest = chunk
        return ChunkReceipt(num_late=num_late)

    def target_at(self, now_ns: int) -> np.ndarray | None:
        """Return the target at `now_ns`, shape (A,); None when no chunk covers it."""
        course = self._course_at(now_ns)
        return None if course is None else course.position_at(now_ns)

    def next_action(self, now_ns: int) -> np.ndarray | None:
        """Return the newest chunk's first action due at `now_ns` or later, shape (A,), or its
        last; None when no chunk covers the present."""
        course = self._course_at(now_ns)
        return None if course is None else course.next_action(now_ns)

    def committed_actions(self, from_ns: int, until_ns: int) -> np.ndarray:
        """Return what will run unless another chunk comes, at the rate of the newest chunk.

        Row k is the target at from_ns + (k + 1) periods: what the first actions of a chunk whose
        observation is stamped `from_ns` must be to continue the motion.

        Args:
            from_ns: Stamp of the observation in [ns].
            until_ns: Time in [ns] up to which the actions run, for example when the next chunk is
                expected; nothing beyond the last action is told.

        Returns:
            Shape (n, A); n is 0 without a chunk.
        """
        if self._course is None:
            return np.empty((0, self._num_joints))
        period_ns = self._newest.period_ns
        last_ns = min(until_ns, self._course.end_ns)
        targets = [self._course.position_at(due_ns)
                   for due_ns in range(from_ns + period_ns, last_ns + 1, period_ns)]
        return np.array(targets).reshape(-1, self._num_joints)

    def clear(self) -> None:
        """Forget all chunks."""
        self._course: Course | None = None
        self._newest: ActionChunk | None = None

    @property
    def _is_blocking(self) -> bool:
        return self._settings.strategy is Strategy.BLOCKING

    def _course_at(self, now_ns: int) -> Course | None:
        is_covered = self._course is not None and now_ns <= self._course.end_ns
        return self._course if is_covered else None

    def _placed(
        self, chunk: ActionChunk, now_ns: int, standing_since_ns: int | None,
    ) -> ActionChunk:
        """Return the chunk at the time at which it is to be played."""
        if self._is_blocking:
            return replace(chunk, stamp_ns=now_ns)
        if standing_since_ns is None:
            return chunk
        stood_ns = max(0, now_ns - max(chunk.stamp_ns, standing_since_ns))
        return replace(chunk, stamp_ns=chunk.stamp_ns + stood_ns)

    def _check(
        self, chunk: ActionChunk, placed: ActionChunk, now_ns: int,
    ) -> tuple[ChunkRejection, str]:
        num_actions, num_joints = chunk.positions.shape
        length_ns, lead_ns = num_actions * chunk.period_ns, chunk.stamp_ns - now_ns
        if num_joints != self._num_joints:
            return (ChunkRejection.WRONG_SIZE,
                    f'actions have {num_joints} joints, expected {self._num_joints}')
        if self._newest is not None and chunk.stamp_ns < self._newest.stamp_ns:
            return (ChunkRejection.OLDER_OBSERVATION,
                    f'its observation is {_seconds(self._newest.stamp_ns - chunk.stamp_ns)} s '
                    'older than that of the current chunk')
        if lead_ns > length_ns:
            return (ChunkRejection.FUTURE_OBSERVATION,
                    f'its observation lies {_seconds(lead_ns)} s ahead of the clock; allowed '
                    f'is one chunk, {_seconds(length_ns)} s')
        if -lead_ns > self._settings.max_chunk_age_s * NS_PER_S:
            return (ChunkRejection.STALE_OBSERVATION,
                    f'its observation is {_seconds(-lead_ns)} s old (limit '
                    f'{self._settings.max_chunk_age_s} s)')
        if self._is_blocking:
            return self._check_played(chunk, now_ns)
        if placed.end_ns <= now_ns:
            return (ChunkRejection.ALL_LATE,
                    f'all {num_actions} actions are late, the last by '
                    f'{_seconds(now_ns - placed.end_ns)} s')
        return ChunkRejection.NONE, ''

    def _check_played(self, chunk: ActionChunk, now_ns: int) -> tuple[ChunkRejection, str]:
        if self._newest is not None and chunk.stamp_ns == self._newest.stamp_ns:
            return (ChunkRejection.OLDER_OBSERVATION,
                    'a chunk of its observation was played already')
        if self._course is not None and (
                chunk.stamp_ns < self._course.end_ns - OBSERVED_BEFORE_END_NS):
            return (ChunkRejection.OLDER_OBSERVATION,
                    f'its observation was taken {_seconds(self._course.end_ns - chunk.stamp_ns)} '
                    's before the last motion ended (limit '
                    f'{_seconds(OBSERVED_BEFORE_END_NS)} s)')
        course = self._course_at(now_ns)
        # The one who asks and the one who plays see the end a transport delay apart.
        if course is None or course.end_ns - now_ns <= chunk.period_ns:
            return ChunkRejection.NONE, ''
        return (ChunkRejection.STILL_PLAYING,
                f'the current chunk is played for {_seconds(course.end_ns - now_ns)} s more')


def _num_late(chunk: ActionChunk, now_ns: int) -> int:
    num_due = (now_ns - chunk.stamp_ns) // chunk.period_ns
    return min(max(num_due, 0), len(chunk.positions))


def _seconds(duration_ns: int) -> str:
    return f'{duration_ns / NS_PER_S:.3f}'
