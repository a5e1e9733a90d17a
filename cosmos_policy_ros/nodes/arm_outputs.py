# SPDX-License-Identifier: Apache-2.0
"""The ways in which commands leave the arm node; every one sends for all arms or for none.

Interbotix's driver takes single targets (`joint_group`) or trajectories (`joint_trajectory`);
ros2_control's joint_trajectory_controller takes trajectories that replace one another
(`trajectory_controller`). In a dry run nothing is sent that an arm would hear.
"""

from __future__ import annotations

from typing import Protocol

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.nodes import conversions, driver_messages, qos
from cosmos_policy_ros.nodes.interfaces import (
    JointGroupCommand, JointSingleCommand, JointTrajectoryCommand)
from cosmos_policy_ros.nodes.parameters import ArmNodeParameters
from cosmos_policy_ros.robot.arm_controller import ArmController
from cosmos_policy_ros.robot.trajectory_window import WindowSchedule
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.robot import RobotSpec


class ArmOutput(Protocol):
    """What the arm node asks at every control tick and at the end.

    Attributes:
        topics: Topics inside an arm's namespace that it publishes on.
    """

    topics: tuple[str, ...]

    def tick(self, controller: ArmController, now_ns: int) -> None:
        """Publish what is due at a control tick."""

    def finish(self, controller: ArmController, now_ns: int) -> None:
        """Deactivate the controller, and publish its last command if the arms can take it."""


def make_output(node: Node, robot: RobotSpec, parameters: ArmNodeParameters) -> ArmOutput:
    """Return the output that the parameters ask for.

    Raises:
        ConfigurationError: If it cannot be made safe with these parameters.
    """
    if parameters.dry_run:
        return DryRunOutput(node, robot)
    if parameters.output == 'joint_group':
        return JointGroupOutput(node, robot)
    period_ns = round(conversions.NANOSECONDS / parameters.control_rate_hz)
    if parameters.output == 'trajectory_controller':
        return TrajectoryControllerOutput(node, robot, period_ns)
    return JointTrajectoryOutput(
        node, robot, WindowSchedule(period_ns, parameters.trajectory_window))


class DryRunOutput:
    """Publishes what would be sent on `~/dry_run/joint_states`."""

    topics = ()

    def __init__(self, node: Node, robot: RobotSpec) -> None:
        """Advertise the topic."""
        self._robot = robot
        self._states = node.create_publisher(JointState, '~/dry_run/joint_states', qos.DRIVER)

    def tick(self, controller: ArmController, now_ns: int) -> None:
        """Publish the target of this tick."""
        self._publish(controller.command_at(now_ns))

    def finish(self, controller: ArmController, now_ns: int) -> None:
        """Publish the last target."""
        self._publish(controller.deactivate(now_ns))

    def _publish(self, command: JointCommand | None) -> None:
        if command is not None:
            self._states.publish(conversions.joint_state_message(
                command.positions, self._robot.joint_names, command.stamp_ns))


class JointGroupOutput:
    """One target per arm and gripper at every tick, for Interbotix's driver."""

    topics = ('commands/joint_group', 'commands/joint_single')

    def __init__(self, node: Node, robot: RobotSpec) -> None:
        """Advertise the topics."""
        self._robot = robot
        self._groups, self._singles = (
            _publishers(node, robot, kind, topic)
            for kind, topic in zip((JointGroupCommand, JointSingleCommand), self.topics))

    def tick(self, controller: ArmController, now_ns: int) -> None:
        """Publish the targets of this tick."""
        self._publish(controller.command_at(now_ns))

    def finish(self, controller: ArmController, now_ns: int) -> None:
        """Publish the last targets; the driver keeps them."""
        self._publish(controller.deactivate(now_ns))

    def _publish(self, command: JointCommand | None) -> None:
        if command is None:
            return
        # Built for all arms before any is sent: all or none.
        groups = driver_messages.group_commands(command, self._robot)
        singles = driver_messages.gripper_commands(command, self._robot)
        _publish_all(self._groups, groups)
        _publish_all(self._singles, singles)


class JointTrajectoryOutput:
    """A few targets ahead for each arm, one per tick for each gripper, for Interbotix's driver.

    A gripper is commanded singly because a trajectory of it would keep those of its arm out.
    """

    topics = ('commands/joint_trajectory', 'commands/joint_single')

    def __init__(self, node: Node, robot: RobotSpec, schedule: WindowSchedule) -> None:
        """Advertise the topics."""
        self._robot, self._schedule = robot, schedule
        self._trajectories, self._singles = (
            _publishers(node, robot, kind, topic)
            for kind, topic in zip((JointTrajectoryCommand, JointSingleCommand), self.topics))

    def tick(self, controller: ArmController, now_ns: int) -> None:
        """Publish the next window if the driver takes one, and the grippers' targets."""
        if self._schedule.is_due(now_ns):
            commands = controller.commands_at(now_ns, self._schedule.num_ticks)
            if commands:
                self._schedule.begin(commands)
                _publish_all(self._trajectories,
                             driver_messages.driver_trajectories(commands, self._robot))
        command = self._schedule.due_command(now_ns)
        if command is not None:
            _publish_all(
                self._singles, driver_messages.gripper_commands(command, self._robot))

    def finish(self, controller: ArmController, now_ns: int) -> None:
        """Deactivate; the driver keeps the end of the window that it plays."""
        controller.deactivate(now_ns)
        self._schedule.reset()


class TrajectoryControllerOutput:
    """A trajectory per arm and gripper at every tick, for ros2_control; it replaces the last.

    It reaches the target of the tick one period later and ends at rest, so that arms whose
    commander falls silent brake within the limits.
    """

    topics = ('arm_controller/joint_trajectory', 'gripper_controller/joint_trajectory')

    def __init__(self, node: Node, robot: RobotSpec, period_ns: int) -> None:
        """Advertise the topics; ticks are `period_ns` apart."""
        self._robot, self._period_ns = robot, period_ns
        self._arms, self._grippers = (
            _publishers(node, robot, JointTrajectory, topic) for topic in self.topics)
        self._last: JointCommand | None = None

    def tick(self, controller: ArmController, now_ns: int) -> None:
        """Publish the way to the target of this tick, and to rest after it."""
        self._publish(controller.commands_to_rest(now_ns))

    def finish(self, controller: ArmController, now_ns: int) -> None:
        """Publish the way to the last target."""
        command = controller.deactivate(now_ns)
        self._publish(() if command is None else (command,))
        self._last = None

    def _publish(self, commands: tuple[JointCommand, ...]) -> None:
        if not commands:
            return
        arms, grippers = driver_messages.controller_trajectories(
            commands, self._robot, last=self._last, period_ns=self._period_ns)
        self._last = commands[0]
        _publish_all(self._arms, arms)
        _publish_all(self._grippers, grippers)


def _publishers(node: Node, robot: RobotSpec, kind: type, topic: str) -> list[Publisher]:
    return [node.create_publisher(kind, f'{arm.name}/{topic}', qos.DRIVER) for arm in robot.arms]


def _publish_all(publishers: list[Publisher], messages: list[object]) -> None:
    for publisher, msg in zip(publishers, messages):
        publisher.publish(msg)
