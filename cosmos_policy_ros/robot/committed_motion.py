# SPDX-License-Identifier: Apache-2.0
"""What the arms will run until the next chunk comes, told where the chunks come from."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.robot import RobotSpec

# Arms follow their commands a tenth of a second late: 0.15 rad at a brisk speed.
FOLLOWED_WITHIN_RAD = 0.2


class CommittedMotion:
    """Plays published chunks as the arm node does, so that nobody has to ask it.

    It knows neither whether the arm node took a chunk nor whether somebody stopped the arms since.
    Both show in the measured joints: where these are not about where the chunks lead, nothing is
    committed.
    """

    def __init__(self, robot: RobotSpec, settings: MotionSettings) -> None:
        """Create a motion without a chunk.

        Args:
            robot: The robot.
            settings: How the arm node makes chunks follow one another.
        """
        self._executor = ChunkExecutor(robot, settings)
        self._period_ns = 0
        self._is_arm_joint = ~np.isin(np.arange(robot.num_joints), robot.gripper_indices)

    def configure(self, settings: MotionSettings) -> None:
        """Change how chunks follow one another, from the next one on."""
        self._executor.configure(settings)

    def add(self, chunk: ActionChunk, now_ns: int, proprio: np.ndarray) -> None:
        """Take a chunk that was published now for arms that were measured at `proprio` (A,)."""
        self._period_ns = chunk.period_ns
        end_ns = self._executor.coverage_end_ns
        is_standing = end_ns is None or end_ns < now_ns
        self._executor.submit(
            chunk, now_ns, proprio,
            standing_since_ns=(end_ns or chunk.stamp_ns) if is_standing else None)

    def actions(self, proprio: np.ndarray, from_ns: int, until_ns: int) -> np.ndarray | None:
        """Return what will run until the next chunk comes; None if that is not known.

        One action more is told, because the takeover lies between two actions.

        Args:
            proprio: The measured joint vector at `from_ns`. Shape (A,).
            from_ns: Stamp of the observation behind the next chunk in [ns].
            until_ns: When that chunk is expected in [ns].

        Returns:
            As `ChunkExecutor.committed_actions`, at least one. Shape (n, A).
        """
        target = self._executor.target_at(from_ns)
        if target is None:
            return None
        gap_rad = np.abs(target - proprio)[self._is_arm_joint].max()
        actions = self._executor.committed_actions(from_ns, until_ns + self._period_ns)
        return actions if gap_rad <= FOLLOWED_WITHIN_RAD and len(actions) else None

    def clear(self) -> None:
        """Forget all chunks."""
        self._executor.clear()
