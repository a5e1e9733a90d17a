# SPDX-License-Identifier: Apache-2.0
"""The topics and services of one simulated arm, named as Interbotix's xs_sdk names them."""

from __future__ import annotations

import array
from dataclasses import asdict
import threading

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.interfaces import (
    JointGroupCommand, JointSingleCommand, JointTrajectoryCommand, MotorGains, OperatingModes,
    Reboot, RegisterValues, RobotInfo, TorqueEnable)
from cosmos_policy_ros.nodes.waiting import wait_until
from cosmos_policy_ros.nodes.waiting_messages import call_back_waiting, UnwatchedGroup
from cosmos_policy_ros.simulation.fault_injector import FaultInjector
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.stream_faults import Message
from cosmos_policy_ros.simulation.xs_joint_states import JointStates
from cosmos_policy_ros.simulation.xs_trajectory import TrajectoryPoint

# Rebooting seven motors one after the other takes seven seconds.
LONGEST_BUSY_S = 30.0


class DriverServer:
    """Three command subscriptions, seven services and the joint states of one arm.

    Subscriptions (reliable, 10): `<arm>/commands/joint_group`, `joint_single`, `joint_trajectory`.
    Publication (reliable, 10): `<arm>/joint_states`.
    Services: `<arm>/torque_enable`, `reboot_motors`, `get_robot_info`, `set_operating_modes`,
    `set_motor_pid_gains`, `set_motor_registers`, `get_motor_registers`.
    """

    def __init__(self, node: Node, simulation: SimulatedAloha, arm_name: str,
                 faults: FaultInjector) -> None:
        """Connect the arm to ROS."""
        self._node, self._simulation, self.arm_name = node, simulation, arm_name
        self._faults = faults
        # A service that waits for the driver must not keep the others from being served.
        self._waiting_group = ReentrantCallbackGroup()
        self._services: list[Service] = []
        self._command_group = UnwatchedGroup()
        self._subscriptions: list[Subscription] = []
        self._joint_states: Publisher | None = None
        # Topics are used by another thread than the one that withdraws them.
        self._topics = threading.Lock()
        self.show_faults()

    def take_commands(self) -> None:
        """Give the commands that came to the driver; call it before every step of the physics."""
        with self._topics:
            call_back_waiting(self._subscriptions)

    def publish_joint_states(self, stamp_ns: int) -> bool:
        """Publish the joint states; return False while the driver is busy or dead."""
        state = self._simulation.joint_states(self.arm_name)
        if state is None:
            return False
        messages = self._faults.spoil(self.arm_name, state, stamp_ns, self._now_ns())
        with self._topics:
            for message in messages if self._joint_states is not None else ():
                self._joint_states.publish(_joint_state(message))
        return True

    def show_faults(self) -> None:
        """Offer what the driver offers in the state that its faults leave it in."""
        faults = self._faults.names(self.arm_name)
        self._offer_topics('driver_crash' not in faults)
        self._offer_services(not faults & {'driver_crash', 'services_lost'})

    def _offer_topics(self, is_offered: bool) -> None:
        if is_offered and self._joint_states is None:
            self._subscriptions = [
                self._node.create_subscription(
                    kind, f'{self.arm_name}/commands/{topic}', callback, qos.DRIVER,
                    callback_group=self._command_group)
                for kind, topic, callback in (
                    (JointGroupCommand, 'joint_group', self._on_group),
                    (JointSingleCommand, 'joint_single', self._on_single),
                    (JointTrajectoryCommand, 'joint_trajectory', self._on_trajectory))]
            self._joint_states = self._node.create_publisher(
                JointState, f'{self.arm_name}/joint_states', qos.DRIVER)
        elif not is_offered and self._joint_states is not None:
            with self._topics:
                self._node.destroy_publisher(self._joint_states)
                self._joint_states = None
                while self._subscriptions:
                    self._node.destroy_subscription(self._subscriptions.pop())

    def _offer_services(self, is_offered: bool) -> None:
        while self._services and not is_offered:
            self._node.destroy_service(self._services.pop())
        if self._services or not is_offered:
            return
        self._services = [
            self._node.create_service(
                kind, f'{self.arm_name}/{service}', callback, callback_group=self._waiting_group)
            for kind, service, callback in (
                (TorqueEnable, 'torque_enable', self._on_torque_enable),
                (Reboot, 'reboot_motors', self._on_reboot),
                (RobotInfo, 'get_robot_info', self._on_robot_info),
                (OperatingModes, 'set_operating_modes', self._on_operating_modes),
                (MotorGains, 'set_motor_pid_gains', self._on_gains),
                (RegisterValues, 'set_motor_registers', self._on_set_registers),
                (RegisterValues, 'get_motor_registers', self._on_get_registers))]

    def _on_group(self, msg: JointGroupCommand) -> None:
        with self._simulation.driver(self.arm_name) as driver:
            driver.command_group(self._now_ns(), msg.name, list(msg.cmd))

    def _on_single(self, msg: JointSingleCommand) -> None:
        with self._simulation.driver(self.arm_name) as driver:
            driver.command_single(self._now_ns(), msg.name, msg.cmd)

    def _on_trajectory(self, msg: JointTrajectoryCommand) -> None:
        points = [TrajectoryPoint(
            positions=list(point.positions), velocities=list(point.velocities),
            effort=list(point.effort), sec=point.time_from_start.sec,
            nanosec=point.time_from_start.nanosec) for point in msg.traj.points]
        with self._simulation.driver(self.arm_name) as driver:
            driver.command_trajectory(self._now_ns(), msg.cmd_type, msg.name, points)

    def _on_torque_enable(
        self, request: TorqueEnable.Request, response: TorqueEnable.Response,
    ) -> TorqueEnable.Response:
        with self._simulation.driver(self.arm_name) as driver:
            driver.torque_enable(request.cmd_type, request.name, request.enable)
        return response

    async def _on_reboot(
        self, request: Reboot.Request, response: Reboot.Response,
    ) -> Reboot.Response:
        with self._simulation.driver(self.arm_name) as driver:
            driver.reboot_motors(
                self._now_ns(), request.cmd_type, request.name, enable=request.enable,
                smart_reboot=request.smart_reboot)
        await self._driver_idle()
        return response

    def _on_robot_info(
        self, request: RobotInfo.Request, response: RobotInfo.Response,
    ) -> RobotInfo.Response:
        with self._simulation.driver(self.arm_name) as driver:
            info = driver.robot_info(request.cmd_type, request.name)
        for name, value in asdict(info).items():
            setattr(response, name, list(value) if isinstance(value, tuple) else value)
        return response

    async def _on_operating_modes(
        self, request: OperatingModes.Request, response: OperatingModes.Response,
    ) -> OperatingModes.Response:
        with self._simulation.driver(self.arm_name) as driver:
            driver.set_operating_modes(
                self._now_ns(), request.cmd_type, request.name, mode=request.mode,
                profile_type=request.profile_type, profile_velocity=request.profile_velocity,
                profile_acceleration=request.profile_acceleration)
        await self._driver_idle()
        return response

    def _on_gains(
        self, request: MotorGains.Request, response: MotorGains.Response,
    ) -> MotorGains.Response:
        gains = (request.kp_pos, request.ki_pos, request.kd_pos, request.k1, request.k2,
                 request.kp_vel, request.ki_vel)
        with self._simulation.driver(self.arm_name) as driver:
            driver.set_motor_pid_gains(request.cmd_type, request.name, gains)
        return response

    def _on_set_registers(
        self, request: RegisterValues.Request, response: RegisterValues.Response,
    ) -> RegisterValues.Response:
        with self._simulation.driver(self.arm_name) as driver:
            driver.set_motor_registers(
                request.cmd_type, request.name, request.reg, request.value)
        return response

    def _on_get_registers(
        self, request: RegisterValues.Request, response: RegisterValues.Response,
    ) -> RegisterValues.Response:
        with self._simulation.driver(self.arm_name) as driver:
            response.values = list(driver.get_motor_registers(
                request.cmd_type, request.name, request.reg))
        return response

    async def _driver_idle(self) -> None:
        """Wait until the driver's one thread is free: that is when the vendor's node answers."""
        await wait_until(self._node, self._is_driver_idle, timeout_s=LONGEST_BUSY_S)

    def _is_driver_idle(self) -> bool:
        with self._simulation.driver(self.arm_name) as driver:
            return not driver.is_busy(self._now_ns())

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds


def _joint_state(message: Message[JointStates]) -> JointState:
    state = message.content
    return JointState(
        header=Header(stamp=conversions.stamp_from_ns(message.stamp_ns)), name=list(state.names),
        position=array.array('d', state.positions), velocity=array.array('d', state.velocities),
        effort=array.array('d', state.efforts))
