# SPDX-License-Identifier: Apache-2.0
"""The services of one arm's Interbotix driver, asked with a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.nodes.interfaces import OperatingModes, RegisterValues, RobotInfo
from cosmos_policy_ros.nodes.waiting import passing_timer, wait_until
from cosmos_policy_ros.robot.driver_check import DriverInfo
from cosmos_policy_ros.robot.driver_registers import register_writes, TRACKING_REGISTERS
from cosmos_policy_ros.spec.robot import ArmSpec

GRIPPER_MODE = 'current_based_position'


class DriverClient:
    """Reads and prepares the driver of one arm. Its coroutines run on the node's executor."""

    def __init__(self, node: Node, arm: ArmSpec, *, timeout_s: float) -> None:
        """Create the clients.

        Args:
            node: The node that asks.
            arm: The arm.
            timeout_s: How long one answer may take in [s].
        """
        self._node, self._arm, self._timeout_s = node, arm, timeout_s
        # An awaiting callback holds its group; its answers must still get through.
        group = ReentrantCallbackGroup()
        self._robot_info, self._registers, self._modes, self._set_registers = (
            node.create_client(kind, f'{arm.name}/{service}', callback_group=group)
            for kind, service in ((RobotInfo, 'get_robot_info'),
                                  (RegisterValues, 'get_motor_registers'),
                                  (OperatingModes, 'set_operating_modes'),
                                  (RegisterValues, 'set_motor_registers')))

    async def prepare(self, wanted: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """Set the gripper's mode and the registers as vendor scripts do before any motion.

        Args:
            wanted: What registers are to be, see `driver_registers`.

        Returns:
            What `read_tracking` says afterwards.

        Raises:
            RobotError: If a service is absent or does not answer in time.
        """
        info = await self._gripper_info()
        if info.mode != GRIPPER_MODE:
            await self._ask(self._modes, OperatingModes.Request(
                cmd_type='single', name=self._arm.gripper_joint, mode=GRIPPER_MODE,
                profile_type='velocity'))
        registers = await self.read_tracking()
        writes = register_writes(self._arm, registers, wanted)
        for write in writes:
            await self._ask(self._set_registers, RegisterValues.Request(
                cmd_type=write.cmd_type, name=write.name, reg=write.register,
                value=write.value))
        return await self.read_tracking() if writes else registers

    async def read_tracking(self) -> dict[str, tuple[int, ...]]:
        """Return the registers that decide how the motors follow targets, by name.

        Raises:
            RobotError: If a service is absent or does not answer in time.
        """
        return {name: await self._read_register(name) for name in TRACKING_REGISTERS}

    async def read(self, num_foreign_commanders: int) -> DriverInfo:
        """Return what the driver says about itself, unchecked.

        Args:
            num_foreign_commanders: Publishers on the arm's command topics other than ours.

        Raises:
            RobotError: If a service is absent or does not answer in time.
        """
        group = await self._ask(
            self._robot_info, RobotInfo.Request(cmd_type='group', name='arm'))
        gripper = await self._gripper_info()
        return DriverInfo(
            arm_name=self._arm.name, arm_mode=group.mode, gripper_mode=gripper.mode,
            joint_names=tuple(group.joint_names), lower_rad=tuple(group.joint_lower_limits),
            upper_rad=tuple(group.joint_upper_limits),
            velocity_limit_rad_s=tuple(group.joint_velocity_limits),
            torque_enabled=await self._read_register('Torque_Enable'),
            hardware_errors=await self._read_register('Hardware_Error_Status'),
            num_foreign_commanders=num_foreign_commanders)

    async def _read_register(self, name: str) -> tuple[int, ...]:
        """Values of a register of the arm joints, then of the gripper."""
        values = []
        for cmd_type, target in (('group', 'arm'), ('single', self._arm.gripper_joint)):
            answer = await self._ask(self._registers, RegisterValues.Request(
                cmd_type=cmd_type, name=target, reg=name))
            values += answer.values
        return tuple(values)

    async def _gripper_info(self) -> RobotInfo.Response:
        return await self._ask(self._robot_info, RobotInfo.Request(
            cmd_type='single', name=self._arm.gripper_joint))

    async def _ask(self, client: Any, request: Any) -> Any:
        if not await wait_until(self._node, client.service_is_ready, timeout_s=self._timeout_s):
            service = self._node.resolve_service_name(client.srv_name)
            raise RobotError(f'{self._arm.name}: its driver offers no {service}')
        future = client.call_async(request)
        with passing_timer(self._node, self._timeout_s, future.cancel):
            response = await future
        if response is None:
            raise RobotError(
                f'{self._arm.name}: {client.srv_name} gave no answer within {self._timeout_s} s')
        return response
