# SPDX-License-Identifier: Apache-2.0
"""The node that owns both arms: it streams checked targets at the control rate, or holds."""

from __future__ import annotations

import array
from dataclasses import fields, replace
from functools import partial
import math

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.errors import (
    ConfigurationError, CosmosPolicyError, ObservationError, PredictionError, RobotError)
from cosmos_policy_ros.nodes import conversions, lifecycle, qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.driver_client import DriverClient, GRIPPER_MODE
from cosmos_policy_ros.nodes.interfaces import (
    ArmStatusMsg, JointGroupCommand, JointSingleCommand)
from cosmos_policy_ros.nodes.logs import log
from cosmos_policy_ros.nodes.parameters import ArmNodeParameters, declare, updated
from cosmos_policy_ros.robot.arm_controller import ArmController
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.robot.driver_check import DriverInfo, require_drivers
from cosmos_policy_ros.robot.run_state import RunState, StopReason
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.robot import ArmSpec

AUTOMATIC_START_PERIOD_S = 1.0


class ArmNode(LifecycleNode):
    """Follow chunks within limits; hold the last measured position on any fault.

    Subscriptions: `<arm>/joint_states` sensor_msgs/JointState (best effort, newest only),
    `joint_trajectory` trajectory_msgs/JointTrajectory (reliable, 14 joints).
    Publications: `<arm>/commands/joint_group` and `<arm>/commands/joint_single` (reliable; none
    in a dry run), `~/dry_run/joint_states` (dry run only), `~/status` ArmStatus (latched),
    `/diagnostics`.
    Services: `~/start`, `~/stop` std_srvs/Trigger. Stop holds; it never switches torque off.
    Clients: `<arm>/get_robot_info`, `<arm>/get_motor_registers`, `<arm>/set_operating_modes`.
    Parameters: `ArmNodeParameters`.
    """

    def __init__(self, **node_options: object) -> None:
        """Declare parameters and go to the state that `autostart` asks for."""
        super().__init__('arm_node', **node_options)
        self._params = declare(self, ArmNodeParameters)
        self._robot = robot_spec(self._params.robot)
        self._controller: ArmController | None = None
        # The checks of a start wait for the driver; control goes on meanwhile.
        self._waiting_group = ReentrantCallbackGroup()
        self._is_active = False
        self._reported: tuple[RunState, StopReason] | None = None
        self._start_problem = ''
        self._last_tick_ns = 0
        self._max_tick_period_s = 0.0
        self.add_on_set_parameters_callback(self._on_set_parameters)
        lifecycle.bring_to(self, self._params.autostart)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect; nothing is commanded yet."""
        return lifecycle.guarded(self, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Allow motion; start at once if asked to."""
        self._is_active = True
        self._control_timer.reset()
        if self._params.start_on_activate:
            self._automatic_start_timer.reset()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold, then fall silent: the driver keeps the last target."""
        self._deactivate()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop every connection."""
        self._controller = None
        lifecycle.disconnect(self, self._own_entities)
        return lifecycle.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold, then fall silent."""
        self._deactivate()
        return lifecycle.SUCCESS

    def destroy_node(self) -> None:
        """Hold, then destroy the node."""
        self._deactivate()
        super().destroy_node()

    def _configure(self) -> None:
        self._controller = ArmController(self._robot, self._settings())
        self._own_entities = lifecycle.entities(self)
        self._subscribe()
        self._advertise()
        self._drivers = [
            DriverClient(self, arm, timeout_s=self._params.driver_timeout_s)
            for arm in self._robot.arms]
        self._control_timer = self.create_timer(
            1 / self._params.control_rate_hz, self._on_control_tick)
        self._automatic_start_timer = self.create_timer(
            AUTOMATIC_START_PERIOD_S, self._on_automatic_start,
            callback_group=self._waiting_group)
        for timer in (self._control_timer, self._automatic_start_timer):
            timer.cancel()
        self.create_timer(1 / self._params.status_rate_hz, self._on_status_timer)

    def _settings(self) -> ArmSettings:
        values = {item.name: getattr(self._params, item.name) for item in fields(ArmSettings)}
        if self._params.dry_run:
            # Arms that are not commanded do not follow, which is no fault here.
            values['max_following_error_rad'] = 4 * math.pi
        return ArmSettings(**values)

    def _subscribe(self) -> None:
        for arm in self._robot.arms:
            self.create_subscription(
                JointState, f'{arm.name}/joint_states', partial(self._on_joint_state, arm),
                qos.NEWEST_STATE)
        self.create_subscription(
            JointTrajectory, 'joint_trajectory', self._on_trajectory, qos.CHUNK)

    def _advertise(self) -> None:
        self._status = self.create_publisher(ArmStatusMsg, '~/status', qos.STATUS)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)
        self.create_service(
            Trigger, '~/start', self._on_start, callback_group=self._waiting_group)
        self.create_service(Trigger, '~/stop', self._on_stop)
        if self._params.dry_run:
            self._dry_run = self.create_publisher(
                JointState, '~/dry_run/joint_states', qos.DRIVER)
            return
        self._commands = [
            (self.create_publisher(
                JointGroupCommand, f'{arm.name}/commands/joint_group', qos.DRIVER),
             self.create_publisher(
                JointSingleCommand, f'{arm.name}/commands/joint_single', qos.DRIVER))
            for arm in self._robot.arms]

    def _on_joint_state(self, arm: ArmSpec, msg: JointState) -> None:
        try:
            self._controller.update_joints(
                arm.name, conversions.joint_sample(msg, arm), self._now_ns())
        except ObservationError as error:
            self._controller.refuse_joints(arm.name, str(error))

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        try:
            chunk = conversions.chunk_from_trajectory(msg, self._robot)
        except PredictionError as error:
            self.get_logger().error(f'chunk refused: {error}')
            return
        receipt = self._controller.submit(chunk, self._now_ns())
        if not receipt.is_accepted:
            self.get_logger().warning(
                f'chunk refused: {receipt.detail}', throttle_duration_sec=1.0)

    def _on_control_tick(self) -> None:
        now_ns = self._now_ns()
        if self._last_tick_ns:
            period_s = (now_ns - self._last_tick_ns) / conversions.NANOSECONDS
            self._max_tick_period_s = max(self._max_tick_period_s, period_s)
        self._last_tick_ns = now_ns
        try:
            command = self._controller.command_at(now_ns)
        except Exception as error:
            # What nobody foresaw holds the arms and ends the process.
            self._controller.stop(StopReason.INTERNAL_ERROR, now_ns, repr(error))
            raise
        if command is not None:
            self._publish_command(command)
        self._report_changes()

    def _publish_command(self, command: JointCommand) -> None:
        if self._params.dry_run:
            self._dry_run.publish(conversions.joint_state_message(
                command.positions, self._robot.joint_names, command.stamp_ns))
            return
        # Built for both arms before any is sent: both or neither.
        messages = conversions.driver_commands(command, self._robot)
        for (group, single), (group_command, single_command) in zip(self._commands, messages):
            group.publish(group_command)
            single.publish(single_command)

    async def _on_start(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        try:
            await self._start()
        except CosmosPolicyError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, 'started'
        return response

    async def _on_automatic_start(self) -> None:
        self._automatic_start_timer.cancel()
        try:
            await self._start()
        except CosmosPolicyError as error:
            if str(error) != self._start_problem:
                self.get_logger().warning(f'not started, trying again: {error}')
            self._start_problem = str(error)
            if self._is_active:
                self._automatic_start_timer.reset()

    async def _start(self) -> None:
        if not self._is_active:
            raise RobotError('arm_node is not active')
        require_drivers(self._robot, [
            await self._read_driver(arm, driver)
            for arm, driver in zip(self._robot.arms, self._drivers)])
        self._controller.start(self._now_ns())
        self._report_changes()

    async def _read_driver(self, arm: ArmSpec, driver: DriverClient) -> DriverInfo:
        is_prepared = self._params.prepare_driver
        if is_prepared and not self._params.dry_run:
            await driver.prepare()
        info = await driver.read(self._count_foreign_commanders(arm))
        # A dry run changes no mode, and is not to fail for one that a real run would set.
        is_ghost = is_prepared and self._params.dry_run
        return replace(info, gripper_mode=GRIPPER_MODE) if is_ghost else info

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._automatic_start_timer.cancel()
        self._controller.stop(StopReason.REQUESTED, self._now_ns(), 'stop was called')
        self._report_changes()
        response.success, response.message = True, 'holding'
        return response

    def _count_foreign_commanders(self, arm: ArmSpec) -> int:
        num_own = 0 if self._params.dry_run else 1
        counts = [self.count_publishers(self.resolve_topic_name(f'{arm.name}/commands/{kind}'))
                  for kind in ('joint_group', 'joint_single')]
        return max(counts) - num_own

    def _deactivate(self) -> None:
        if self._controller is None or not self._is_active:
            return
        self._is_active = False
        self._control_timer.cancel()
        self._automatic_start_timer.cancel()
        command = self._controller.deactivate(self._now_ns())
        if command is not None:
            self._publish_command(command)
        self._report_changes()

    def _on_status_timer(self) -> None:
        for arm in self._robot.arms:
            if self._count_foreign_commanders(arm) > 0:
                self._controller.stop(
                    StopReason.FOREIGN_COMMANDER, self._now_ns(),
                    f'another node publishes on the command topics of {arm.name}')
        self._publish_status(self._controller.status(self._now_ns()))
        self._max_tick_period_s = 0.0

    def _report_changes(self) -> None:
        status = self._controller.status(self._now_ns())
        if (status.state, status.reason) == self._reported:
            return
        self._reported = status.state, status.reason
        log(self, 'error' if _is_fault(status) else 'info',
            f'{status.state.value}: {status.reason.value} {status.detail}')
        self._publish_status(status)

    def _publish_status(self, status: ArmStatus) -> None:
        counters = status.counters
        self._status.publish(ArmStatusMsg(
            header=Header(stamp=self.get_clock().now().to_msg()), state=status.state.value,
            stop_reason=status.reason.value, detail=status.detail, dry_run=self._params.dry_run,
            joint_names=list(self._robot.joint_names), measured=_doubles(status.measured),
            target=_doubles(status.target), ticks=counters.ticks, late_ticks=counters.late_ticks,
            max_tick_period_s=self._max_tick_period_s, chunks_accepted=counters.chunks_accepted,
            chunks_rejected=counters.chunks_rejected, late_actions_skipped=counters.late_actions,
            position_clamps=counters.position_clamps, velocity_clamps=counters.velocity_clamps))
        problem = f'{status.reason.value}: {status.detail}' if _is_fault(status) else ''
        self._diagnostics.publish(diagnostics_message(self, 'arms', problem, {
            'state': status.state.value, 'reason': status.reason.value,
            'joint age [s]': status.joint_age_s, 'late ticks': counters.late_ticks}))

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        names = {change.name for change in changes}
        shaping = names & {item.name for item in fields(ArmSettings)}
        if self._controller is not None and shaping:
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(sorted(shaping))} can change only while arm_node is unconfigured; '
                'call the lifecycle transitions deactivate and cleanup first'))
        try:
            self._params = updated(self._params, changes)
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _is_fault(status: ArmStatus) -> bool:
    """Whether the arms stopped by themselves; waiting for a chunk or a person is no fault."""
    return status.state is RunState.HOLDING and status.reason is not StopReason.REQUESTED


def _doubles(vector: np.ndarray | None) -> array.array:
    return array.array('d', [] if vector is None else vector.tolist())


def main() -> int:
    """Run the node until it is interrupted."""
    # Control goes before everything else, where the user may ask for it.
    return lifecycle.run(ArmNode, niceness=-10)


if __name__ == '__main__':
    raise SystemExit(main())
