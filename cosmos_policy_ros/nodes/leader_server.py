# SPDX-License-Identifier: Apache-2.0
"""The leader arms of the simulated robot, in the hands of a simulated operator."""

from __future__ import annotations

import array
from collections.abc import Callable
import math
import threading

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.interfaces import RecorderStatusMsg
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.simulated_operator import SimulatedOperator
from cosmos_policy_ros.spec.leader import leader_specs, LeaderSpec

# Leaders report as their motors do: 4096 steps a turn.
_STEP_RAD = 2 * math.pi / 4096


class LeaderServer:
    """Joint states of both leaders; the operator listens to the recorder.

    Publications (reliable, 10): `<leader>/joint_states`. Subscription: `recorder_status`
    RecorderStatus (latched).
    """

    def __init__(self, node: Node, simulation: SimulatedAloha, *,
                 put_back: Callable[[], None]) -> None:
        """Advertise the leaders.

        Args:
            node: The node of the simulation.
            simulation: The robot that follows.
            put_back: Called between two episodes, by whoever calls `update`: the operator puts the
                objects where the next one begins.
        """
        self._node, self._put_back = node, put_back
        robot = simulation.robot
        expert = Expert(robot, simulation.model, simulation.task_name)
        self._operator = SimulatedOperator(
            robot, lambda: expert.plan(simulation.object_poses(), wait_s=0.0))
        # The recorder is heard on the executor's thread, the arms move on that of the physics.
        self._lock = threading.Lock()
        self._leaders = [
            (leader, robot.arm_slice(index), node.create_publisher(
                JointState, f'{leader.name}/joint_states', qos.DRIVER))
            for index, leader in enumerate(leader_specs(robot))]
        node.create_subscription(
            RecorderStatusMsg, 'recorder_status', self._on_recorder_status, qos.STATUS)

    def update(self, stamp_ns: int) -> None:
        """Publish where the leaders are at a time; call it at the rate of joint states."""
        with self._lock:
            joints = self._operator.joints_at(stamp_ns)
            is_over = self._operator.wants_new_scene(stamp_ns)
        if is_over:
            self._put_back()
        for leader, part, publisher in self._leaders:
            publisher.publish(_joint_state(leader, joints[part].tolist(), stamp_ns))

    def _on_recorder_status(self, msg: RecorderStatusMsg) -> None:
        with self._lock:
            try:
                self._operator.follow(msg.state, self._node.get_clock().now().nanoseconds)
            except PredictionError as error:
                self._node.get_logger().error(f'the simulated operator has no plan: {error}')


def _joint_state(leader: LeaderSpec, joints: list[float], stamp_ns: int) -> JointState:
    angles = [round(angle / _STEP_RAD) * _STEP_RAD for angle in (
        *joints[:-1], leader.gripper.joint_from_opening(joints[-1]))]
    finger_m = leader.geometry.finger_from_angle(angles[-1])
    names = (*leader.joint_names, leader.gripper_joint, 'left_finger', 'right_finger')
    return JointState(
        header=Header(stamp=conversions.stamp_from_ns(stamp_ns)), name=list(names),
        position=array.array('d', [*angles, finger_m, -finger_m]),
        velocity=array.array('d', [0.0] * len(names)), effort=array.array('d', [0.0] * len(names)))
