# SPDX-License-Identifier: Apache-2.0
"""One chunk as a motion: its actions on the clock, joined by a monotone cubic.

Between two actions the course is a cubic Hermite polynomial whose tangents are the weighted
harmonic means of the neighbouring slopes (Fritsch and Butland, "A method for constructing local
monotone piecewise cubic interpolants", 1984). Hence position and velocity are continuous, no
target leaves the hull of the two actions around it, not even by a small bound, and at an even
spacing no speed exceeds twice that of the straight line between them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.spec.action import ActionChunk

MAX_BEYOND_NS = 300_000_000


@dataclass(frozen=True, kw_only=True)
class ChunkCourse:
    """Poses on the clock.

    Attributes:
        due_ns: Times of the poses in [ns], N of them, strictly increasing; at least two.
        positions: The poses. Shape (N, A).
        tangents: Their velocities per [ns]. Shape (N, A).
        num_leading: Poses at the front that are no actions: 1 where the arms stood on receipt,
            or 0.
    """

    due_ns: tuple[int, ...]
    positions: np.ndarray
    tangents: np.ndarray
    num_leading: int

    @property
    def end_ns(self) -> int:
        """Time in [ns] at which the last action is due."""
        return self.due_ns[-1]

    def position_at(self, now_ns: int) -> np.ndarray:
        """Return the target, shape (A,).

        Before the first pose it is that pose. After the last it goes on at the speed reached
        there, for `MAX_BEYOND_NS` at most: for the time in which another course takes over.
        """
        if now_ns > self.end_ns:
            return self._beyond(now_ns)
        index = min(max(bisect_right(self.due_ns, now_ns), 1), len(self.due_ns) - 1)
        start_ns, end_ns = self.due_ns[index - 1:index + 1]
        share = min(max((now_ns - start_ns) / (end_ns - start_ns), 0.0), 1.0)
        start, end = self.positions[index - 1:index + 1]
        # In this form a bend that overflows can be left out: the straight line never does.
        with np.errstate(over='ignore', invalid='ignore'):
            leaving, arriving = (
                self.tangents[index - 1:index + 1] * (end_ns - start_ns) - (end - start))
            bend = share * (1 - share) * ((1 - share) * leaving - share * arriving)
        return mixed(start, end, share, bend)

    def next_action(self, now_ns: int) -> np.ndarray:
        """Return the first action due at `now_ns` or later, or the last one. Shape (A,)."""
        index = max(bisect_left(self.due_ns, now_ns), self.num_leading)
        return self.positions[min(index, len(self.due_ns) - 1)].copy()

    def _beyond(self, now_ns: int) -> np.ndarray:
        beyond_ns = min(now_ns - self.end_ns, MAX_BEYOND_NS)
        with np.errstate(over='ignore', invalid='ignore'):
            target = self.positions[-1] + self.tangents[-1] * beyond_ns
        return np.where(np.isfinite(target), target, self.positions[-1])


def course_from_rest(chunk: ActionChunk, now_ns: int, pose: np.ndarray) -> ChunkCourse:
    """Return a course of arms that stand still at `pose`, shape (A,), to the actions still due."""
    due_ns = _due_ns(chunk)
    num_late = bisect_right(due_ns, now_ns)
    times_ns = (now_ns, *due_ns[num_late:])
    positions = np.vstack([pose, chunk.positions[num_late:]])
    tangents = monotone_tangents(times_ns, positions)
    tangents[0] = 0.0
    return ChunkCourse(due_ns=times_ns, positions=positions, tangents=tangents, num_leading=1)


def course_on_clock(chunk: ActionChunk, now_ns: int, pose: np.ndarray) -> ChunkCourse:
    """Return a course along all actions, from `pose`, shape (A,), if none is due yet."""
    due_ns, positions = _due_ns(chunk), chunk.positions
    is_early = now_ns < due_ns[0]
    if is_early:
        due_ns, positions = (now_ns, *due_ns), np.vstack([pose, positions])
    return ChunkCourse(due_ns=due_ns, positions=positions,
                       tangents=monotone_tangents(due_ns, positions), num_leading=int(is_early))


def monotone_tangents(times_ns: Sequence[int], positions: np.ndarray) -> np.ndarray:
    """Return velocities per [ns] with which a cubic through the poses is monotone between them.

    Args:
        times_ns: Times of the poses in [ns], N of them, strictly increasing; at least two.
        positions: The poses. Shape (N, A).

    Returns:
        Shape (N, A). Where a slope overflows, the tangents are no numbers.
    """
    h = np.diff(np.array(times_ns, np.float64))[:, None]
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):
        slopes = np.diff(positions, axis=0) / h
        if len(slopes) == 1:
            return np.repeat(slopes, 2, axis=0)
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        inner = (w1 + w2) / (w1 / slopes[:-1] + w2 / slopes[1:])
        turns = np.sign(slopes[:-1]) * np.sign(slopes[1:]) <= 0
        return np.vstack([
            _end_tangent(h[0], h[1], slopes[0], slopes[1]),
            np.where(turns, 0.0, inner),
            _end_tangent(h[-1], h[-2], slopes[-1], slopes[-2])])


def mixed(
    first: np.ndarray, second: np.ndarray, share: float, offset: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return the mean of two poses, `share` of it the second, plus an offset inside their hull.

    Finite for any two finite poses; exact where they are equal. Shapes (A,).
    """
    line = (1 - share) * first + share * second
    with np.errstate(over='ignore', invalid='ignore'):
        bent = line + offset
    return np.clip(np.where(np.isfinite(bent), bent, line),
                   np.minimum(first, second), np.maximum(first, second))


def _due_ns(chunk: ActionChunk) -> tuple[int, ...]:
    return tuple(chunk.due_ns(index) for index in range(len(chunk.positions)))


def _end_tangent(
    h: np.ndarray, h_next: np.ndarray, slope: np.ndarray, slope_next: np.ndarray,
) -> np.ndarray:
    """One-sided three-point tangent, kept in the monotone region. Shape (A,)."""
    tangent = ((2 * h + h_next) * slope - h * slope_next) / (h + h_next)
    tangent = np.where(np.sign(tangent) == np.sign(slope), tangent, 0.0)
    is_steep = np.abs(tangent) > 3 * np.abs(slope)
    return np.where(is_steep, 3 * slope, tangent)
