# SPDX-License-Identifier: Apache-2.0
"""Somebody at the leader arms who does as the recorder says: start, do the task, rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.robot import RobotSpec

RETURN_S = 1.5
GESTURE_PERIOD_S = 4.0
# Time to think, to close, to keep closed, and to open again.
_GESTURE_S = (0.5, 0.3, 1.0, 0.3)
_REACTION_S = 0.3
_NS_PER_S = 1e9


class SimulatedOperator:
    """Moves leader arms by the state of the recorder, as its cues tell a person. Not thread-safe.

    While the recorder waits for a start, the operator closes both grippers every few seconds;
    while it records, the operator does the task; then the arms go back to where they began.
    """

    def __init__(self, robot: RobotSpec, plan: Callable[[], np.ndarray]) -> None:
        """Begin at rest, grippers open.

        Args:
            robot: The robot whose joint vector the leaders have.
            plan: Called when a recording starts; returns joint vectors every `CHUNK_PERIOD_S` that
                do the task. Shape (K, A).
        """
        self._plan = plan
        self._rest = robot.start_pose
        self._rest[list(robot.gripper_indices)] = 1.0
        self._closed = robot.start_pose
        self._state = ''
        self._times_s, self._poses = np.zeros(1), self._rest[None]
        self._scene_due_ns: int | None = None

    def follow(self, state: str, now_ns: int) -> None:
        """Take in the state of the recorder at a time in [ns]; what is no news changes nothing.

        Raises:
            PredictionError: If there is no plan; the operator then stays where it is.
        """
        if state == self._state:
            return
        self._state = state
        here = self.joints_at(now_ns)
        if state == 'waiting':
            self._move(now_ns, [here, *self._gesture_poses], [RETURN_S, *_GESTURE_S])
        elif state == 'recording':
            self._move(now_ns, [here], [])
            plan = self._plan()
            self._move(now_ns, [here, *plan],
                       [_REACTION_S, *[CHUNK_PERIOD_S] * (len(plan) - 1)])
        elif state in ('warm_up', 'saving'):
            self._move(now_ns, [here], [])
        else:
            self._move(now_ns, [here, self._rest], [RETURN_S])
            self._scene_due_ns = now_ns + round(RETURN_S * _NS_PER_S)

    def joints_at(self, now_ns: int) -> np.ndarray:
        """Joint vector of the leaders at a time in [ns]. Shape (A,)."""
        now_s = now_ns / _NS_PER_S
        if self._state == 'waiting' and now_s > self._times_s[-1] + GESTURE_PERIOD_S:
            self._move(now_ns, [self._rest, *self._gesture_poses[1:]], _GESTURE_S)
        return np.array([np.interp(now_s, self._times_s, column) for column in self._poses.T])

    def wants_new_scene(self, now_ns: int) -> bool:
        """Whether the objects are to be put back now; true once after each return."""
        is_due = self._scene_due_ns is not None and now_ns >= self._scene_due_ns
        if is_due:
            self._scene_due_ns = None
        return is_due

    @property
    def _gesture_poses(self) -> list[np.ndarray]:
        return [self._rest, self._rest, self._closed, self._closed, self._rest]

    def _move(
        self, now_ns: int, poses: Sequence[np.ndarray], durations_s: Sequence[float],
    ) -> None:
        self._times_s = now_ns / _NS_PER_S + np.cumsum([0.0, *durations_s])
        self._poses = np.array(poses)
