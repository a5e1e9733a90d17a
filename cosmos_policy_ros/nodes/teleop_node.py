# SPDX-License-Identifier: Apache-2.0
"""The node that turns leader arms into chunks for the arm node, which checks every target."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.nodes import conversions, lifecycle, qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.parameter_declaration import declare
from cosmos_policy_ros.nodes.parameters import TeleopNodeParameters
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.nodes.waiting_messages import call_back_waiting, unwatched_joint_states
from cosmos_policy_ros.robot.teleoperation import Teleoperation
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.leader import leader_specs, LeaderSpec

STATUS_PERIOD_S = 1.0


class TeleopNode(Node):
    """Publish where the leaders are as short chunks; nothing while one of them is silent.

    Subscriptions: `<leader>/joint_states` sensor_msgs/JointState (best effort, newest only).
    Publications: `~/joint_trajectory` trajectory_msgs/JointTrajectory, `/diagnostics`.
    Parameters: `TeleopNodeParameters`.
    """

    def __init__(self, **node_options: object) -> None:
        """Subscribe to the leaders and begin."""
        super().__init__('teleop_node', **node_options)
        params = declare(self, TeleopNodeParameters)
        self._robot = robot_spec(params.robot)
        leaders = leader_specs(self._robot)
        self._teleoperation = Teleoperation(
            self._robot, leaders, period_ns=round(conversions.NANOSECONDS / params.rate_hz),
            max_age_ns=round(params.max_joint_age_s * conversions.NANOSECONDS))
        self._problem, self._chunks = '', 0
        self._trajectory = self.create_publisher(
            JointTrajectory, '~/joint_trajectory', qos.CHUNK)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)
        self._joint_states = unwatched_joint_states(self, leaders, self._on_joint_state)
        steady_timer(self, 1 / params.rate_hz, self._on_timer)
        steady_timer(self, STATUS_PERIOD_S, self._on_status_timer)

    def _on_joint_state(self, leader: LeaderSpec, msg: JointState) -> None:
        try:
            self._teleoperation.update(leader, msg.name, msg.position, self._now_ns())
        except ObservationError as error:
            self._report(str(error))

    def _on_timer(self) -> None:
        call_back_waiting(self._joint_states)
        now_ns = self._now_ns()
        chunk = self._teleoperation.chunk_at(now_ns)
        if chunk is not None:
            self._chunks += 1
            self._trajectory.publish(conversions.trajectory_from_chunk(chunk, self._robot))
            self._report('')
        elif silent := self._teleoperation.silent(now_ns):
            self._report(f'no usable joint states of {", ".join(silent)}: the arms hold')

    def _on_status_timer(self) -> None:
        self._diagnostics.publish(diagnostics_message(
            self, 'teleoperation', self._problem, {'chunks': self._chunks}))

    def _report(self, problem: str) -> None:
        if problem and problem != self._problem:
            self.get_logger().warning(problem, throttle_duration_sec=1.0)
        self._problem = problem

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node until it is interrupted."""
    return lifecycle.run(TeleopNode)


if __name__ == '__main__':
    raise SystemExit(main())
