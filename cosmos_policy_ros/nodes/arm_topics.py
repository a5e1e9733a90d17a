# SPDX-License-Identifier: Apache-2.0
"""What the arm node publishes about itself."""

from __future__ import annotations

import array

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.interfaces import ArmStatusMsg
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.spec.robot import RobotSpec


class ArmTopics:
    """Publishers of status and diagnostics."""

    def __init__(self, node: Node, robot: RobotSpec, *, dry_run: bool) -> None:
        """Advertise the topics."""
        self._node, self._robot, self._is_dry_run = node, robot, dry_run
        self._status = node.create_publisher(ArmStatusMsg, '~/status', qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)

    def publish_status(self, status: ArmStatus, *, max_tick_period_s: float) -> None:
        """Publish the status, and its short form on /diagnostics."""
        counters = status.counters
        self._status.publish(ArmStatusMsg(
            header=Header(stamp=self._node.get_clock().now().to_msg()), state=status.state.value,
            strategy=status.strategy.value, stop_reason=status.reason.value,
            detail=status.detail, dry_run=self._is_dry_run,
            joint_names=list(self._robot.joint_names), measured=_doubles(status.measured),
            target=_doubles(status.target), ticks=counters.ticks, late_ticks=counters.late_ticks,
            max_tick_period_s=max_tick_period_s, chunks_accepted=counters.chunks_accepted,
            chunks_rejected=counters.chunks_rejected, late_actions_skipped=counters.late_actions,
            position_clamps=counters.position_clamps, velocity_clamps=counters.velocity_clamps,
            acceleration_clamps=counters.acceleration_clamps,
            gripper_clamps=counters.gripper_clamps))
        problem = f'{status.reason.value}: {status.detail}' if status.is_fault else ''
        self._diagnostics.publish(diagnostics_message(self._node, 'arms', problem, {
            'state': status.state.value, 'reason': status.reason.value,
            'joint age [s]': status.joint_age_s, 'late ticks': counters.late_ticks}))


def _doubles(vector: np.ndarray | None) -> array.array:
    return array.array('d', [] if vector is None else vector.tolist())
