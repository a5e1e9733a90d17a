# SPDX-License-Identifier: Apache-2.0
"""The drivers of all arms: checked before every start, watched while the arms are started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from rclpy.node import Node

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.nodes.controller_supervisor import ControllerSupervisor
from cosmos_policy_ros.nodes.driver_client import DriverClient, GRIPPER_MODE
from cosmos_policy_ros.nodes.parameters import ArmNodeParameters
from cosmos_policy_ros.robot.driver_check import DriverInfo, require_drivers
from cosmos_policy_ros.robot.driver_registers import wanted_registers
from cosmos_policy_ros.robot.driver_watch import DriverWatch
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

COMMAND_TOPICS = ('commands/joint_group', 'commands/joint_single', 'commands/joint_trajectory')


def make_supervisor(
    node: Node, robot: RobotSpec, parameters: ArmNodeParameters, topics: Sequence[str],
) -> DriverSupervisor | ControllerSupervisor:
    """Return who watches what receives the commands.

    Args:
        node: The node that commands.
        robot: The robot.
        parameters: Parameters of the node.
        topics: Topics inside an arm's namespace that the node publishes on.
    """
    if parameters.output == 'trajectory_controller' and not parameters.dry_run:
        return ControllerSupervisor(node, robot, topics)
    return DriverSupervisor(node, robot, parameters, topics)


class DriverSupervisor:
    """Asks the drivers through their services. Its coroutines run on the node's executor."""

    def __init__(
        self, node: Node, robot: RobotSpec, parameters: ArmNodeParameters, topics: Sequence[str],
    ) -> None:
        """Create the clients; `make_supervisor` tells the arguments."""
        self._node, self._robot, self._params = node, robot, parameters
        self._own_topics = topics
        self._clients = {arm.name: DriverClient(node, arm, timeout_s=parameters.driver_timeout_s)
                         for arm in robot.arms}
        self._watch: DriverWatch | None = None
        self._is_polling = False

    async def require_ready(self) -> None:
        """Prepare the drivers, and refuse if any may not be commanded.

        Raises:
            RobotError: Naming every problem.
        """
        infos = [await self._prepared(arm) for arm in self._robot.arms]
        require_drivers(self._robot, infos)
        self._watch = DriverWatch(self._robot, infos)

    async def changes(self) -> list[Problem]:
        """Return what is not as it was at the start; empty before the first start."""
        watch = self._watch
        # Drivers that answer late are not to be asked by more and more polls at once.
        if watch is None or self._is_polling:
            return []
        self._is_polling = True
        try:
            infos = await self._answers()
        finally:
            self._is_polling = False
        return watch.update(infos) if watch is self._watch else []

    async def _answers(self) -> list[DriverInfo]:
        """What the drivers that answer in time say."""
        infos = []
        for arm in self._robot.arms:
            with suppress(RobotError):
                infos.append(await self._read(arm))
        return infos

    def foreign_commanders(self) -> Iterator[Problem]:
        """Say which arms another node publishes commands for."""
        for arm in self._robot.arms:
            if self._count_foreign_commanders(arm) > 0:
                yield Problem(
                    reason=StopReason.FOREIGN_COMMANDER,
                    text=f'another node publishes on the command topics of {arm.name}')

    @property
    def _is_ghost(self) -> bool:
        """Whether this is a dry run, not to fail for what a real run would set."""
        return self._params.prepare_driver and self._params.dry_run

    async def _prepared(self, arm: ArmSpec) -> DriverInfo:
        client, wanted = self._clients[arm.name], wanted_registers(self._params.position_p_gain)
        if self._is_ghost:
            return await self._read(arm)
        registers = await (client.prepare(wanted) if self._params.prepare_driver
                           else client.read_tracking())
        return replace(
            await self._read(arm), registers=registers, wanted_registers=wanted)

    async def _read(self, arm: ArmSpec) -> DriverInfo:
        info = await self._clients[arm.name].read(self._count_foreign_commanders(arm))
        return replace(info, gripper_mode=GRIPPER_MODE) if self._is_ghost else info

    def _count_foreign_commanders(self, arm: ArmSpec) -> int:
        return max(
            self._node.count_publishers(self._node.resolve_topic_name(f'{arm.name}/{topic}'))
            - int(topic in self._own_topics) for topic in COMMAND_TOPICS)
