# SPDX-License-Identifier: Apache-2.0
"""The drivers of all arms: checked before every start, watched while the arms are started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from rclpy.node import Node

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.nodes.driver_client import DriverClient, GRIPPER_MODE
from cosmos_policy_ros.nodes.parameters import ArmNodeParameters
from cosmos_policy_ros.robot.driver_check import DriverInfo, require_drivers
from cosmos_policy_ros.robot.driver_watch import DriverWatch
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

COMMAND_TOPICS = ('joint_group', 'joint_single')


class DriverSupervisor:
    """Asks the drivers through their services. Its coroutines run on the node's executor."""

    def __init__(self, node: Node, robot: RobotSpec, parameters: ArmNodeParameters) -> None:
        """Create the clients."""
        self._node, self._robot, self._params = node, robot, parameters
        self._clients = {arm.name: DriverClient(node, arm, timeout_s=parameters.driver_timeout_s)
                         for arm in robot.arms}
        self._watch: DriverWatch | None = None

    async def require_ready(self) -> None:
        """Prepare the drivers, and refuse if any may not be commanded.

        Raises:
            RobotError: Naming every problem.
        """
        infos = []
        for arm in self._robot.arms:
            if self._params.prepare_driver and not self._params.dry_run:
                await self._clients[arm.name].prepare()
            infos.append(await self._read(arm))
        require_drivers(self._robot, infos)
        self._watch = DriverWatch(self._robot, infos)

    async def changes(self) -> list[Problem]:
        """Return what is not as it was at the start; empty before the first start."""
        watch, infos = self._watch, []
        if watch is None:
            return []
        for arm in self._robot.arms:
            with suppress(RobotError):
                infos.append(await self._read(arm))
        return watch.update(infos) if watch is self._watch else []

    def foreign_commanders(self) -> Iterator[Problem]:
        """Say which arms another node publishes commands for."""
        for arm in self._robot.arms:
            if self._count_foreign_commanders(arm) > 0:
                yield Problem(
                    reason=StopReason.FOREIGN_COMMANDER,
                    text=f'another node publishes on the command topics of {arm.name}')

    async def _read(self, arm: ArmSpec) -> DriverInfo:
        info = await self._clients[arm.name].read(self._count_foreign_commanders(arm))
        # A dry run changes no mode, and is not to fail for one that a real run would set.
        is_ghost = self._params.prepare_driver and self._params.dry_run
        return replace(info, gripper_mode=GRIPPER_MODE) if is_ghost else info

    def _count_foreign_commanders(self, arm: ArmSpec) -> int:
        num_own = 0 if self._params.dry_run else 1
        counts = [
            self._node.count_publishers(
                self._node.resolve_topic_name(f'{arm.name}/commands/{kind}'))
            for kind in COMMAND_TOPICS]
        return max(counts) - num_own
