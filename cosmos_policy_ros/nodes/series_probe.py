# SPDX-License-Identifier: Apache-2.0
"""An operator who writes down a motion, to be judged like a recorded episode."""

from __future__ import annotations

from functools import partial
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from cosmos_policy_ros.evaluation.episode_series import build_series, EpisodeSeries
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.nodes.interfaces import (
    ActionChunkMsg, ArmStatusMsg, JointGroupCommand, JointSingleCommand)
from cosmos_policy_ros.nodes.operator import Operator
from cosmos_policy_ros.spec.robot import RobotSpec

# A probe that has to wait for the processor must not lose what was published meanwhile.
_DEEP = QoSProfile(depth=2000)


class SeriesProbe(Operator):
    """Keeps joint states, commands, chunks and states of the arms with the times of publication.

    Args:
        robot: The robot.
        topics: Which topic is what.
        domain_id: ROS domain; None takes the environment's.
    """

    def __init__(
        self, robot: RobotSpec, topics: EpisodeTopics, *, domain_id: int | None = None,
    ) -> None:
        super().__init__(domain_id=domain_id)
        self._robot, self._topics = robot, topics
        self._messages: list[tuple[str, int, Any]] = []
        for arm in robot.arms:
            self._keep(JointState, topics.joint_states[arm.name])
            self._keep(JointGroupCommand, topics.group_commands[arm.name])
            self._keep(JointSingleCommand, topics.gripper_commands[arm.name])
        self._keep(ActionChunkMsg, topics.chunks)
        self._keep(ArmStatusMsg, topics.arm_status)

    def forget(self) -> None:
        """Begin a new motion."""
        self._messages.clear()

    def series(self) -> EpisodeSeries:
        """Return what happened since the last `forget`."""
        messages = sorted(self._messages, key=lambda message: message[1])
        span_ns = (messages[0][1], messages[-1][1]) if messages else (0, 0)
        return build_series(messages, self._robot, self._topics, span_ns)

    def _keep(self, kind: type, topic: str) -> None:
        self._node.create_subscription(kind, topic, partial(self._add, topic), _DEEP)

    def _add(self, topic: str, msg: Any, info: dict[str, int]) -> None:
        self._messages.append((topic, info['source_timestamp'], msg))
