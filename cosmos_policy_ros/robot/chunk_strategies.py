# SPDX-License-Identifier: Apache-2.0
"""How a chunk takes over from its predecessor. A course is a value; a takeover makes a new one.

A change of strategy concerns the next takeover alone: the present course is played on, so that
switching while the arms move never makes them jump.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Protocol

import numpy as np

from cosmos_policy_ros.robot.chunk_course import (
    ChunkCourse, course_from_rest, course_on_clock, mixed)
from cosmos_policy_ros.robot.motion_settings import MotionSettings, Strategy
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.minimum_jerk import minimum_jerk

# Chunks that come faster than these are played out forget the oldest.
MAX_LAYERS = 8
MAX_MEMBERS = 32


class Course(Protocol):
    """Targets over time, up to an end. A course that takes over may need a few beyond it."""

    @property
    def end_ns(self) -> int:
        """Time in [ns] of the last target."""

    def position_at(self, now_ns: int) -> np.ndarray:
        """Return the target. Shape (A,)."""

    def next_action(self, now_ns: int) -> np.ndarray:
        """Return the first action due at that time or later. Shape (A,)."""


@dataclass(frozen=True, kw_only=True)
class BlendLayer:
    """A course that takes over from those before it.

    Attributes:
        course: The course.
        start_ns: Time in [ns] at which its weight begins to rise from 0.
        full_ns: Time in [ns] at which its weight is 1.
    """

    course: Course
    start_ns: int
    full_ns: int

    def weight_at(self, now_ns: int) -> float:
        """Return the share that this course has, 0 to 1."""
        return smooth_step((now_ns - self.start_ns) / (self.full_ns - self.start_ns))


@dataclass(frozen=True, kw_only=True)
class BlendedCourse:
    """Courses that take over one after another.

    Attributes:
        first: The course that was followed before the first takeover.
        layers: Those that took over, in their order; at least one.
    """

    first: Course
    layers: tuple[BlendLayer, ...]

    @property
    def end_ns(self) -> int:
        """Time in [ns] at which the newest course ends."""
        return self.layers[-1].course.end_ns

    def position_at(self, now_ns: int) -> np.ndarray:
        """Return the target, each course blended over those before it. Shape (A,)."""
        target = self.first.position_at(now_ns)
        for layer in self.layers:
            target = mixed(target, layer.course.position_at(now_ns), layer.weight_at(now_ns))
        return target

    def next_action(self, now_ns: int) -> np.ndarray:
        """Return the next action of the newest course. Shape (A,)."""
        return self.layers[-1].course.next_action(now_ns)

    def without_past(self, now_ns: int) -> tuple[Course, tuple[BlendLayer, ...]]:
        """Return first course and layers without those that have no weight any more or yet."""
        begun = tuple(layer for layer in self.layers if layer.start_ns < now_ns)
        full = [number for number, layer in enumerate(begun, 1) if layer.full_ns <= now_ns]
        num_past = max(len(begun) - MAX_LAYERS, *full, 0)
        first = begun[num_past - 1].course if num_past else self.first
        return first, begun[num_past:]


@dataclass(frozen=True, kw_only=True)
class EnsembleMember:
    """A course of an ensemble.

    Attributes:
        course: The course.
        entered_ns: Time in [ns] at which its weight begins to rise from 0.
        left_ns: Time in [ns] at which its weight is 0 again, if others stay longer.
    """

    course: Course
    entered_ns: int
    left_ns: int


@dataclass(frozen=True, kw_only=True)
class EnsembleCourse:
    """The weighted mean of all courses that cover the moment.

    The weights are exp(-decay * i), i = 0 being the oldest (ACT, Zhao et al. 2023, algorithm 2),
    times a smooth rise after a course's entry and a smooth fall before it leaves, so that neither
    makes the mean jump. Those that stay longest do not fall: there is nothing that could take over
    from them, and of weights that vanish together the share of each would change all at once.

    Attributes:
        members: The courses, oldest first.
        decay: Exponent of the weights.
        fade_ns: Duration of rise and fall in [ns].
    """

    members: tuple[EnsembleMember, ...]
    decay: float
    fade_ns: int

    @property
    def end_ns(self) -> int:
        """Time in [ns] at which the last course ends."""
        return max(member.course.end_ns for member in self.members)

    def position_at(self, now_ns: int) -> np.ndarray:
        """Return the weighted mean. Shape (A,)."""
        longest_ns = max(member.left_ns for member in self.members)
        members = [member for member in self.members
                   if member.left_ns > now_ns or member.left_ns == longest_ns]
        weights = [self._weight(i, member, now_ns, longest_ns)
                   for i, member in enumerate(members)]
        if not sum(weights):
            # Before anything has entered.
            return members[0].course.position_at(now_ns)
        poses = np.array([member.course.position_at(now_ns) for member in members])
        shares = np.array(weights) / sum(weights)
        return np.clip(shares @ poses, poses.min(axis=0), poses.max(axis=0))

    def next_action(self, now_ns: int) -> np.ndarray:
        """Return the next action of the newest course. Shape (A,)."""
        return self.members[-1].course.next_action(now_ns)

    def _weight(
        self, index: int, member: EnsembleMember, now_ns: int, longest_ns: int,
    ) -> float:
        rise = smooth_step((now_ns - member.entered_ns) / self.fade_ns)
        fall = 1.0 if member.left_ns == longest_ns else smooth_step(
            (member.left_ns - now_ns) / self.fade_ns)
        return math.exp(-self.decay * index) * rise * fall


def smooth_step(share: float) -> float:
    """Return `minimum_jerk`, at rest on 0 before the way and on 1 after it."""
    return minimum_jerk(min(max(share, 0.0), 1.0))


def taken_over(
    current: Course | None, chunk: ActionChunk, now_ns: int, pose: np.ndarray,
    settings: MotionSettings,
) -> Course:
    """Return the course that leads from the present one to a chunk.

    Args:
        current: The present course; None if it ended or there is none.
        chunk: The chunk; its actions are due by its stamp.
        now_ns: The present in [ns].
        pose: Where the arms stand if there is no present course. Shape (A,).
        settings: How to take over.
    """
    if current is None or current.end_ns < now_ns:
        return course_from_rest(chunk, now_ns, pose)
    new = course_on_clock(chunk, now_ns, current.position_at(now_ns))
    blend_ns = max(round(settings.blend_s * NS_PER_S), 1)
    if settings.strategy is Strategy.TEMPORAL_ENSEMBLE:
        return _joined(current, new, now_ns, settings.ensemble_decay, blend_ns)
    if settings.strategy is Strategy.PREFIX_CONDITIONED:
        # Such a chunk repeats what ran during its inference; what differs is rounding.
        blend_ns = min(blend_ns, chunk.period_ns)
    return _blended(current, new, now_ns, blend_ns)


def _blended(current: Course, new: ChunkCourse, now_ns: int, blend_ns: int) -> BlendedCourse:
    full_ns = min(now_ns + blend_ns, new.end_ns)
    first, layers = current, ()
    if isinstance(current, BlendedCourse):
        first, layers = current.without_past(now_ns)
    layer = BlendLayer(course=new, start_ns=now_ns, full_ns=full_ns)
    return BlendedCourse(first=first, layers=(*layers, layer))


def _joined(
    current: Course, new: ChunkCourse, now_ns: int, decay: float, fade_ns: int,
) -> EnsembleCourse:
    if isinstance(current, EnsembleCourse) and current.end_ns >= now_ns + fade_ns:
        members = [member for member in current.members
                   if member.left_ns > now_ns and member.entered_ns < now_ns]
    else:
        # Whatever ends too soon to fade in time goes on as one member until it has.
        members = [EnsembleMember(course=current, entered_ns=now_ns - fade_ns,
                                  left_ns=max(current.end_ns, now_ns + fade_ns))]
    members.append(EnsembleMember(course=new, entered_ns=now_ns, left_ns=new.end_ns))
    return EnsembleCourse(members=tuple(members[-MAX_MEMBERS:]), decay=decay, fade_ns=fade_ns)
