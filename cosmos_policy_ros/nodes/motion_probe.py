# SPDX-License-Identifier: Apache-2.0
"""An operator who writes down what the arms are told, with the times of publication."""

from __future__ import annotations

from functools import partial
import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.evaluation.command_track import CommandTrack
from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.conversions import duration_to_ns, stamp_to_ns
from cosmos_policy_ros.nodes.interfaces import (
    ArmStatusMsg, JointGroupCommand, JointSingleCommand, PolicyStatusMsg)
from cosmos_policy_ros.nodes.operator import Operator
from cosmos_policy_ros.spec.robot import RobotSpec

# A probe that has to wait for the processor must not lose what was published meanwhile.
_DEEP = QoSProfile(depth=2000)
_FAILED_READ_RAD = -math.pi + 1e-3

# A message and when its publisher sent it, in [ns] of the system clock.
Sent = tuple[int, Any]


class MotionProbe(Operator):
    """Records commands, joint states, statuses, chunks and diagnostics.

    Attributes:
        groups: Commands of each arm's joints.
        grippers: Commands of each arm's gripper.
        arm_statuses: What arm_node said.
        policy_statuses: What policy_node said.
        joint_stamps: Per arm, when a plausible joint state was sent and its stamp, both in [ns].
        chunk_ends: When a chunk was sent and when its last action is due, both in [ns].
        errors: Texts of arm_node's errors on /diagnostics.
    """

    def __init__(self, robot: RobotSpec, *, domain_id: int | None = None) -> None:
        """Join the ROS graph of `domain_id`; None takes the environment's."""
        super().__init__(domain_id=domain_id)
        self.groups = {arm.name: CommandTrack() for arm in robot.arms}
        self.grippers = {arm.name: CommandTrack() for arm in robot.arms}
        self.arm_statuses: list[Sent] = []
        self.policy_statuses: list[Sent] = []
        self.joint_stamps: dict[str, list[tuple[int, int]]] = {arm.name: [] for arm in robot.arms}
        self.chunk_ends: list[tuple[int, int]] = []
        self.errors: list[str] = []
        for arm in robot.arms:
            self._listen_to_arm(arm.name)
        self._listen(ArmStatusMsg, '/arm_node/status',
                     lambda msg, info: self.arm_statuses.append((_sent_ns(info), msg)))
        self._listen(PolicyStatusMsg, '/policy_node/status',
                     lambda msg, info: self.policy_statuses.append((_sent_ns(info), msg)))
        self._listen(JointTrajectory, '/policy_node/joint_trajectory', self._on_chunk)
        self._listen(DiagnosticArray, '/diagnostics', self._on_diagnostics)
        self._emergency_stop = self._node.create_publisher(Bool, '/emergency_stop', qos.CHUNK)

    @property
    def now_ns(self) -> int:
        """The present in [ns]."""
        return self._node.get_clock().now().nanoseconds

    def forget(self) -> None:
        """Drop what was recorded so far, but for the newest of each."""
        for track in (*self.groups.values(), *self.grippers.values()):
            track.clear()
        for record in (self.arm_statuses, self.policy_statuses, self.chunk_ends,
                       *self.joint_stamps.values()):
            del record[:-1]
        self.errors.clear()

    def press_emergency_stop(self, is_pressed: bool) -> None:
        """Press or release the emergency stop."""
        self._emergency_stop.publish(Bool(data=is_pressed))

    def intrude(self, arm_name: str) -> None:
        """Become a second commander of an arm, without saying anything."""
        self._intruder = self._node.create_publisher(
            JointGroupCommand, f'/{arm_name}/commands/joint_group', qos.DRIVER)

    def withdraw(self) -> None:
        """Be no commander any more."""
        self._node.destroy_publisher(self._intruder)

    def _listen(self, kind: type, topic: str, callback: Any) -> None:
        self._node.create_subscription(kind, topic, callback, _DEEP)

    def _listen_to_arm(self, name: str) -> None:
        self._listen(JointGroupCommand, f'/{name}/commands/joint_group',
                     lambda msg, info: self.groups[name].add(_sent_ns(info), msg.cmd))
        self._listen(JointSingleCommand, f'/{name}/commands/joint_single',
                     lambda msg, info: self.grippers[name].add(_sent_ns(info), [msg.cmd]))
        self._listen(JointState, f'/{name}/joint_states', partial(self._on_joint_state, name))

    def _on_joint_state(self, name: str, msg: JointState, info: dict[str, int]) -> None:
        if all(math.isfinite(angle) for angle in msg.position) and max(
                msg.position[:6]) > _FAILED_READ_RAD:
            self.joint_stamps[name].append((_sent_ns(info), stamp_to_ns(msg.header.stamp)))

    def _on_chunk(self, msg: JointTrajectory, info: dict[str, int]) -> None:
        end_ns = stamp_to_ns(msg.header.stamp) + duration_to_ns(msg.points[-1].time_from_start)
        self.chunk_ends.append((_sent_ns(info), end_ns))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        self.errors += [status.message for status in msg.status
                        if status.name == 'arm_node: arms'
                        and int.from_bytes(status.level, 'little') > 0]


def _sent_ns(info: dict[str, int]) -> int:
    return info['source_timestamp']
