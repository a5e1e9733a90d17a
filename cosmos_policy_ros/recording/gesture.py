# SPDX-License-Identifier: Apache-2.0
"""The start cue of somebody whose hands are on the leader arms: closing both grippers."""

from __future__ import annotations

from collections.abc import Mapping
import math

from cosmos_policy_ros.errors import RecordingError

# How far above the threshold a gripper has to open before it can close again.
HYSTERESIS_RAD = 0.05
MAX_AGE_NS = 500_000_000


class GripperGesture:
    """Sees grippers close together; once per closing. Its owner holds the lock.

    Grippers that were closed from the beginning are no cue: they have to open first.
    """

    def __init__(self, below_rad: Mapping[str, float], *, hold_s: float) -> None:
        """Begin to watch.

        Args:
            below_rad: Arm to the angle in [rad] below which its gripper is closed.
            hold_s: How long all have to stay closed in [s].

        Raises:
            RecordingError: If there is no arm or a number is not allowed.
        """
        if not below_rad or not all(map(math.isfinite, below_rad.values())):
            raise RecordingError(f'the gesture needs a finite angle per arm, not {below_rad}')
        if not (math.isfinite(hold_s) and hold_s >= 0):
            raise RecordingError(f'gesture hold is {hold_s}; allowed is 0 s or more')
        self._below_rad = dict(below_rad)
        self._hold_ns = round(hold_s * 1e9)
        self._seen_ns: dict[str, int] = {}
        self._is_closed: dict[str, bool] = {}
        self._is_armed = False
        self._closed_since_ns: int | None = None

    def update(self, arm: str, angle_rad: float, now_ns: int) -> bool:
        """Take in the gripper angle of one arm; return whether this completes the gesture.

        Args:
            arm: One of the arms.
            angle_rad: Its gripper's motor angle in [rad]; what is no number counts as open.
            now_ns: The present in [ns].
        """
        limit_rad = self._below_rad[arm]
        if self._is_closed.get(arm):
            limit_rad += HYSTERESIS_RAD
        self._is_closed[arm] = angle_rad < limit_rad
        self._seen_ns[arm] = now_ns
        if not self._are_all_closed(now_ns):
            self._closed_since_ns = None
            # All open: a single gripper that opens a little is no new gesture.
            self._is_armed = self._is_armed or self._are_all_open()
            return False
        if self._closed_since_ns is None:
            self._closed_since_ns = now_ns
        is_complete = self._is_armed and now_ns - self._closed_since_ns >= self._hold_ns
        self._is_armed = self._is_armed and not is_complete
        return is_complete

    def _are_all_closed(self, now_ns: int) -> bool:
        return all(self._is_closed.get(arm, False) and now_ns - self._seen_ns[arm] <= MAX_AGE_NS
                   for arm in self._below_rad)

    def _are_all_open(self) -> bool:
        return all(not self._is_closed.get(arm, True) for arm in self._below_rad)
