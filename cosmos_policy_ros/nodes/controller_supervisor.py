# SPDX-License-Identifier: Apache-2.0
"""The trajectory controllers of all arms: there, and nobody else commands them.

Modes, torque and gains are the business of the hardware interface below the controllers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rclpy.node import Node

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.spec.robot import RobotSpec


class ControllerSupervisor:
    """Looks at who is connected to the controllers' topics. Its coroutines never wait."""

    def __init__(self, node: Node, robot: RobotSpec, topics: Sequence[str]) -> None:
        """Name the controllers.

        Args:
            node: The node that commands them.
            robot: The robot.
            topics: Their topics inside an arm's namespace.
        """
        self._node = node
        self._topics = [node.resolve_topic_name(f'{arm.name}/{topic}')
                        for arm in robot.arms for topic in topics]
        self._is_started = False

    async def require_ready(self) -> None:
        """Refuse if a controller is absent or has another commander.

        Raises:
            RobotError: Naming every problem.
        """
        problems = [*self._absent(), *self.foreign_commanders()]
        if problems:
            raise RobotError('; '.join(problem.text for problem in problems))
        self._is_started = True

    async def changes(self) -> list[Problem]:
        """Return what is not as it was at the start; empty before the first start."""
        return list(self._absent()) if self._is_started else []

    def foreign_commanders(self) -> Iterator[Problem]:
        """Say which controllers another node publishes trajectories for."""
        for topic in self._topics:
            if self._node.count_publishers(topic) > 1:
                yield Problem(reason=StopReason.FOREIGN_COMMANDER,
                              text=f'another node publishes on {topic}')

    def _absent(self) -> Iterator[Problem]:
        for topic in self._topics:
            if not self._node.count_subscribers(topic):
                yield Problem(
                    reason=StopReason.DRIVER_DEAD,
                    text=f'no controller listens on {topic}; start the controllers of '
                         'ros2_control, or map the topic to theirs')
