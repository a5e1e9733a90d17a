# SPDX-License-Identifier: Apache-2.0
"""A smooth motion of a few seconds as a source of chunks, which remembers what it was asked."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.evaluation.motion_chunks import continued
from cosmos_policy_ros.evaluation.virtual_robot import VirtualRobot
from cosmos_policy_ros.spec.aloha import ALOHA, CHUNK_PERIOD_S, CHUNK_SIZE

IS_ARM_JOINT = ~np.isin(np.arange(14), ALOHA.gripper_indices)


class SwayingChunks:
    """Every second chunk lies a little beside the others."""

    def __init__(self, length_s: float, beside_rad: float = 0.0) -> None:
        self._length_s, self._beside_rad = length_s, beside_rad
        self.asked: list[tuple[int, np.ndarray | None]] = []

    def begin(self, robot: VirtualRobot, seed: int) -> float:
        """Return the length."""
        self.asked.clear()
        return self._length_s

    def positions(
        self, robot: VirtualRobot, moved_s: float, committed: np.ndarray | None,
    ) -> np.ndarray:
        """Return the part of the motion that follows."""
        self.asked.append((robot.now_ns, committed))
        times_s = moved_s + CHUNK_PERIOD_S * np.arange(1, CHUNK_SIZE + 1)
        sway = 0.1 * (1 - np.cos(1.5 * times_s)) + self._beside_rad * (len(self.asked) % 2)
        own = ALOHA.start_pose + sway[:, None] * IS_ARM_JOINT
        return own if committed is None else continued(committed, own)
