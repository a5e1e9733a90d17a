# SPDX-License-Identifier: Apache-2.0
"""Drivers that keep sending the same measurement under new stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.robot import RobotSpec

# A motor moves within a tenth of this; resolution is far finer.
MAX_TRAVEL_RAD = 0.1


@dataclass(frozen=True)
class _Seen:
    content: bytes
    command: np.ndarray
    stamp_ns: int


class FrozenJointsWatch:
    """Notices arms whose joints are told to go somewhere while their measurement never changes.

    Not a digit of positions, speeds and currents changes at an arm that is frozen; those of an arm
    that is merely blocked do. Drivers that do not report currents are not watched. The fingers and
    the gripper's command do not count: a gripper that holds something does not move.
    """

    def __init__(
        self, robot: RobotSpec, limits: SafetyLimits, *, max_travel_rad: float = MAX_TRAVEL_RAD,
    ) -> None:
        """Create a watch that allows commands to go on for `max_travel_rad`."""
        self._slices = {arm.name: robot.arm_slice(index) for index, arm in enumerate(robot.arms)}
        self._is_arm_joint = limits.is_arm_joint
        self._max_travel_rad = max_travel_rad
        self._seen: dict[str, _Seen] = {}

    def update(self, arm_name: str, sample: JointSample, command: np.ndarray) -> str | None:
        """Return what is wrong if an arm is frozen; None otherwise.

        Args:
            arm_name: The arm.
            sample: Its newest measurement.
            command: Last command of all arms. Shape (A,).
        """
        if sample.efforts is None:
            return None
        content = b''.join(array.tobytes() for array in (
            sample.positions, sample.velocities, sample.efforts) if array is not None)
        seen = self._seen.get(arm_name)
        if seen is None or seen.content != content:
            self._seen[arm_name] = _Seen(content, command, sample.stamp_ns)
            return None
        if sample.stamp_ns == seen.stamp_ns:
            # A pause of the stream proves nothing.
            return None
        part = self._slices[arm_name]
        travel_rad = np.abs(command - seen.command)[part][self._is_arm_joint[part]].max()
        if travel_rad <= self._max_travel_rad:
            return None
        return (f'{arm_name} joints: frozen: not a digit changed while the command went '
                f'{travel_rad:.3f} rad (limit {self._max_travel_rad} rad)')
