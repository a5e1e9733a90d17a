# SPDX-License-Identifier: Apache-2.0
"""What the arm node publishes."""

from __future__ import annotations

import array

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.interfaces import (
    ArmStatusMsg, JointGroupCommand, JointSingleCommand)
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.robot import RobotSpec


class ArmTopics:
    """Publishers of the arm node; in a dry run there is none that an arm would hear."""

    def __init__(self, node: Node, robot: RobotSpec, *, dry_run: bool) -> None:
        """Advertise the topics."""
        self._node, self._robot, self._is_dry_run = node, robot, dry_run
        self._status = node.create_publisher(ArmStatusMsg, '~/status', qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)
        self._dry_run = None
        self._commands = []
        if dry_run:
            self._dry_run = node.create_publisher(
                JointState, '~/dry_run/joint_states', qos.DRIVER)
            return
        self._commands = [
            (node.create_publisher(
                JointGroupCommand, f'{arm.name}/commands/joint_group', qos.DRIVER),
             node.create_publisher(
                JointSingleCommand, f'{arm.name}/commands/joint_single', qos.DRIVER))
            for arm in robot.arms]

    def publish_command(self, command: JointCommand) -> None:
        """Publish one command for all arms."""
        if self._is_dry_run:
            self._dry_run.publish(conversions.joint_state_message(
                command.positions, self._robot.joint_names, command.stamp_ns))
            return
        # Built for both arms before any is sent: both or neither.
        messages = conversions.driver_commands(command, self._robot)
        for (group, single), (group_command, single_command) in zip(self._commands, messages):
            group.publish(group_command)
            single.publish(single_command)

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
