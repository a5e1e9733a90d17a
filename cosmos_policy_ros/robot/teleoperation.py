# SPDX-License-Identifier: Apache-2.0
"""From where leader arms are to chunks that make the followers go there.

A chunk holds the newest leader poses, each due a fixed delay after it was measured: shorter than
that a chunk could not know which way the next pose goes, and the arms would stop at every one.
Chunks that follow one another agree where they overlap. When a leader falls silent the last chunk
ends soon, and the arms brake.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import math

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.joint_vector import FAILED_READ_TOLERANCE_RAD, look_up
from cosmos_policy_ros.spec.leader import LeaderSpec
from cosmos_policy_ros.spec.robot import RobotSpec

DELAY_PERIODS = 2
NUM_PAST = 3
NUM_HELD = 3


class Teleoperation:
    """Keeps the newest leader poses. Its owner holds the lock."""

    def __init__(
        self, robot: RobotSpec, leaders: Sequence[LeaderSpec], *, period_ns: int, max_age_ns: int,
    ) -> None:
        """Begin without a pose.

        Args:
            robot: The robot that follows.
            leaders: The leader of each of its arms, in its order.
            period_ns: Time between two chunks in [ns].
            max_age_ns: Age in [ns] at which a leader counts as silent.
        """
        self._robot, self._leaders = robot, tuple(leaders)
        self._period_ns, self._max_age_ns = period_ns, max_age_ns
        self._newest: dict[str, tuple[int, np.ndarray]] = {}
        self._poses: deque[np.ndarray] = deque(maxlen=NUM_PAST)
        self._last_ns: int | None = None

    def update(
        self, leader: LeaderSpec, names: Sequence[str], positions: Sequence[float], now_ns: int,
    ) -> None:
        """Take in the joint state of a leader.

        Args:
            leader: The arm.
            names: Joint names in any order.
            positions: Joints and gripper motor in [rad], one per name.
            now_ns: Time of receipt in [ns].

        Raises:
            ObservationError: If a joint is missing or the values cannot be a measurement.
        """
        *joints, gripper_rad = look_up(
            leader, names, positions, (*leader.joint_names, leader.gripper_joint))
        if all(abs(joint + math.pi) <= FAILED_READ_TOLERANCE_RAD for joint in joints):
            raise ObservationError(
                f'{leader.name}: every joint is at -pi, which is how the driver reports a failed '
                'read')
        # Squeezed beyond closed is closed; the followers are not commanded further.
        opening = min(max(leader.gripper.opening_from_joint(gripper_rad), 0.0), 1.0)
        self._newest[leader.name] = now_ns, np.array([*joints, opening])

    def silent(self, now_ns: int) -> tuple[str, ...]:
        """Return the leaders that have not been heard of lately."""
        return tuple(
            leader.name for leader in self._leaders
            if leader.name not in self._newest
            or now_ns - self._newest[leader.name][0] > self._max_age_ns)

    def chunk_at(self, now_ns: int) -> ActionChunk | None:
        """Return the chunk to publish at a time in [ns], one period after that before.

        None while a leader is silent or there are too few poses yet; what came before a silence is
        forgotten.
        """
        is_late = self._last_ns is not None and now_ns - self._last_ns > self._max_age_ns
        self._last_ns = now_ns
        if self.silent(now_ns) or is_late:
            self._poses.clear()
            return None
        self._poses.append(np.concatenate(
            [self._newest[leader.name][1] for leader in self._leaders]))
        if len(self._poses) < NUM_PAST:
            return None
        # The last of the past poses is due DELAY_PERIODS from now.
        stamp_ns = now_ns + (DELAY_PERIODS - NUM_PAST) * self._period_ns
        return ActionChunk(
            positions=np.array([*self._poses, *[self._poses[-1]] * NUM_HELD]),
            stamp_ns=stamp_ns, period_ns=self._period_ns)
