# SPDX-License-Identifier: Apache-2.0
"""The trajectory controllers of one simulated arm, on top of its driver as ros2_control runs them.

They command the driver as Interbotix's hardware interface does: the arm joints as a group, and
twice the finger's position as the gripper's `linear_position`; both only when they change.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.logs import log
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.trajectory_controller import GoalPoint, TrajectoryController
from cosmos_policy_ros.spec.robot import ArmSpec


class ControllerServer:
    """Subscriptions, reliable: `<arm>/arm_controller/joint_trajectory` with the arm joints in
    [rad], `<arm>/gripper_controller/joint_trajectory` with the finger in [m].
    """

    def __init__(self, node: Node, simulation: SimulatedAloha, arm: ArmSpec) -> None:
        """Connect the controllers to ROS."""
        self._node, self._simulation, self._arm = node, simulation, arm
        self._written: list[np.ndarray | None] = [None, None]
        self._controllers = [TrajectoryController(joints, partial(log, node)) for joints in (
            arm.joint_names, (arm.finger_joint,))]
        for name, controller in zip(('arm', 'gripper'), self._controllers):
            node.create_subscription(
                JointTrajectory, f'{arm.name}/{name}_controller/joint_trajectory',
                partial(self._on_trajectory, controller), qos.DRIVER)

    def update(self) -> None:
        """Read the joints, and write what the controllers command now."""
        state = self._simulation.joint_states(self._arm.name)
        if state is None:
            return
        now_ns = self._node.get_clock().now().nanoseconds
        measured = dict(zip(state.names, state.positions))
        with self._simulation.driver(self._arm.name) as driver:
            for index, controller in enumerate(self._controllers):
                command = controller.command_at(
                    now_ns, np.array([measured[name] for name in controller.joint_names]))
                if command is None or np.array_equal(command, self._written[index]):
                    continue
                self._written[index] = command
                if index == 0:
                    driver.command_group(now_ns, 'arm', command.tolist())
                else:
                    driver.command_single(
                        now_ns, self._arm.gripper_joint, 2 * float(command[0]))

    def _on_trajectory(self, controller: TrajectoryController, msg: JointTrajectory) -> None:
        points = [GoalPoint(
            positions=list(point.positions), velocities=list(point.velocities),
            due_ns=conversions.duration_to_ns(point.time_from_start)) for point in msg.points]
        # The lock also keeps an update from seeing half of a new trajectory.
        with self._simulation.driver(self._arm.name):
            controller.receive(
                self._node.get_clock().now().nanoseconds,
                conversions.stamp_to_ns(msg.header.stamp), msg.joint_names, points)
