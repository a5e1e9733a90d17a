# SPDX-License-Identifier: Apache-2.0
"""The node that owns both arms: it streams checked targets at the control rate, or holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.errors import (
    ConfigurationError, CosmosPolicyError, ObservationError, PredictionError, RobotError)
from cosmos_policy_ros.nodes import conversions, lifecycle, qos
from cosmos_policy_ros.nodes.arm_outputs import make_output
from cosmos_policy_ros.nodes.arm_topics import ArmTopics
from cosmos_policy_ros.nodes.driver_supervisor import make_supervisor
from cosmos_policy_ros.nodes.interfaces import PolicyStatusMsg
from cosmos_policy_ros.nodes.logs import log
from cosmos_policy_ros.nodes.parameter_declaration import declare, updated
from cosmos_policy_ros.nodes.parameters import ArmNodeParameters
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.nodes.waiting import wait_until
from cosmos_policy_ros.nodes.waiting_messages import call_back_waiting, unwatched_joint_states
from cosmos_policy_ros.robot.arm_controller import ArmController
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.run_state import Problem, RunState, StopReason
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.robot import ArmSpec

AUTOMATIC_START_PERIOD_S = 1.0
PARKING_TIMEOUT_S = 60.0
# Before what a user starts, after what the kernel and drivers run.
REALTIME_PRIORITY = 20
DRIVER_PARAMETERS = ('prepare_driver', 'position_p_gain', 'driver_timeout_s')


class ArmNode(LifecycleNode):
    """Follow chunks within limits; hold the last measured position on any fault.

    Subscriptions: `<arm>/joint_states` sensor_msgs/JointState (best effort, the newest at every
    control tick), `joint_trajectory` trajectory_msgs/JointTrajectory (reliable, 14 joints),
    `policy_status` PolicyStatus, `emergency_stop` std_msgs/Bool (reliable, latched or not; true
    holds until false and a start, and counts in every state of the node).
    Publications: commands to the arms as the parameter `output` wants them, see `arm_outputs`
    (reliable; none in a dry run), `~/dry_run/joint_states` (dry run only), `~/status` ArmStatus
    (latched), `/diagnostics`.
    Services, all std_srvs/Trigger: `~/start` and `~/resume` (the same), `~/stop` (holds; torque
    stays on), `~/go_home` (start pose), `~/sleep` (opens the grippers, then goes to rest by way
    of the start pose).
    Clients: `<arm>/get_robot_info`, `<arm>/set_operating_modes`, `<arm>/get_motor_registers`,
    `<arm>/set_motor_registers`.
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
        self._is_emergency = self._wants_start = False
        # Stops so far: a start that waits for the driver does not outlive one.
        self._num_stops = 0
        self._last_tick_ns = 0
        self._max_tick_period_s = 0.0
        self.add_on_set_parameters_callback(self._on_set_parameters)
        for profile in qos.EMERGENCY_STOP:
            self.create_subscription(Bool, 'emergency_stop', self._on_emergency_stop, profile)
        lifecycle.bring_to(self, self._params.autostart)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect; nothing is commanded yet."""
        result = lifecycle.guarded(self, self._configure)
        if result != lifecycle.SUCCESS:
            self._controller = None
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Allow motion; start at once if asked to."""
        self._is_active = True
        self._control_timer.reset()
        self._wants_start = self._params.start_on_activate and not self._is_emergency
        if self._wants_start:
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
        self._controller = ArmController(self._robot, self._settings(), self._motion())
        self._controller.set_emergency_stop(self._is_emergency, self._now_ns())
        self._policy_heard_ns: int | None = None
        self._image_problem = ''
        self._own_entities = lifecycle.entities(self)
        self._subscribe()
        self._advertise()
        self._drivers = make_supervisor(self, self._robot, self._params, self._output.topics)
        self._control_timer = steady_timer(
            self, 1 / self._params.control_rate_hz, self._on_control_tick)
        self._automatic_start_timer = steady_timer(
            self, AUTOMATIC_START_PERIOD_S, self._on_automatic_start, self._waiting_group)
        for timer in (self._control_timer, self._automatic_start_timer):
            timer.cancel()
        if self._params.driver_poll_period_s:
            steady_timer(self, self._params.driver_poll_period_s, self._on_driver_poll,
                         self._waiting_group)
        steady_timer(self, 1 / self._params.status_rate_hz, self._on_status_timer)

    def _settings(self) -> ArmSettings:
        return ArmSettings(**{
            item.name: getattr(self._params, item.name) for item in fields(ArmSettings)})

    def _motion(self) -> MotionSettings:
        return MotionSettings(**{
            item.name: getattr(self._params, item.name) for item in fields(MotionSettings)})

    def _subscribe(self) -> None:
        self._joint_states = unwatched_joint_states(
            self, self._robot.arms, self._on_joint_state)
        self.create_subscription(
            JointTrajectory, 'joint_trajectory', self._on_trajectory, qos.CHUNK)
        self.create_subscription(
            PolicyStatusMsg, 'policy_status', self._on_policy_status, qos.STATUS)

    def _advertise(self) -> None:
        self._topics = ArmTopics(self, self._robot, dry_run=self._params.dry_run)
        self._output = make_output(self, self._robot, self._params)
        for name in ('start', 'resume'):
            self.create_service(
                Trigger, f'~/{name}', self._on_start, callback_group=self._waiting_group)
        self.create_service(Trigger, '~/stop', self._on_stop)
        for name, go in (('go_home', self._go_home), ('sleep', self._go_to_sleep)):
            self.create_service(Trigger, f'~/{name}', partial(self._on_go_to, name, go),
                                callback_group=self._waiting_group)

    @property
    def _informed_controller(self) -> ArmController:
        """The controller, with the joint states that have come by now."""
        call_back_waiting(self._joint_states)
        return self._controller

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

    def _on_policy_status(self, msg: PolicyStatusMsg) -> None:
        self._policy_heard_ns = self._now_ns()
        self._image_problem = msg.image_problem
        state = self._controller.status(self._now_ns()).state
        if msg.image_problem and state in (RunState.WAITING, RunState.MOVING):
            self._report_problems([
                Problem(reason=StopReason.IMAGES_STALE, text=msg.image_problem)])

    def _on_emergency_stop(self, msg: Bool) -> None:
        self._is_emergency = msg.data
        if msg.data:
            self._end_pending_starts()
        if self._controller is not None:
            self._informed_controller.set_emergency_stop(msg.data, self._now_ns())
            self._report_changes()

    def _end_pending_starts(self) -> None:
        """Let starts that still wait for the driver fail, and none come by itself."""
        self._num_stops += 1
        self._wants_start = False

    def _on_control_tick(self) -> None:
        controller, now_ns = self._informed_controller, self._now_ns()
        if self._last_tick_ns:
            period_s = (now_ns - self._last_tick_ns) / conversions.NANOSECONDS
            self._max_tick_period_s = max(self._max_tick_period_s, period_s)
        self._last_tick_ns = now_ns
        self._check_policy()
        try:
            self._output.tick(controller, now_ns)
        except Exception as error:
            # What nobody foresaw holds the arms and ends the process.
            self._controller.stop(StopReason.INTERNAL_ERROR, now_ns, repr(error))
            raise
        self._report_changes()

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
        if not self._wants_start:
            return
        try:
            await self._start()
        except CosmosPolicyError as error:
            if str(error) != self._start_problem:
                self.get_logger().warning(f'not started, trying again: {error}')
            self._start_problem = str(error)
            if self._wants_start:
                self._automatic_start_timer.reset()

    async def _start(self) -> None:
        await self._require_ready()
        if self._image_problem:
            raise RobotError(f'the policy has no fresh images: {self._image_problem}')
        self._informed_controller.start(self._now_ns())
        self._wants_start = False
        self._report_changes()

    async def _require_ready(self) -> None:
        if not self._is_active:
            raise RobotError('arm_node is not active')
        stops = self._num_stops
        await self._drivers.require_ready()
        if self._num_stops != stops:
            raise RobotError('the arms were stopped while the drivers were being asked')

    async def park(self) -> None:
        """Go to rest as `~/sleep` does, where the arms may move at all; return once they hold.

        Arms that stopped because of a fault stay where they are: only a person moves them on.
        """
        if not (self._params.park_on_shutdown and self._is_active
                and self._run_state is not RunState.INACTIVE):
            return
        status = self._controller.status(self._now_ns())
        if status.is_fault:
            self.get_logger().error(f'not parked: the arms hold, {status.reason.value}')
            return
        try:
            await self._require_ready()
            self._go_to_sleep()
        except CosmosPolicyError as error:
            self.get_logger().error(f'not parked: {error}')
            return
        self.get_logger().info('parking; Ctrl-C holds the arms where they are')
        await wait_until(self, lambda: self._run_state is not RunState.POSITIONING,
                         timeout_s=PARKING_TIMEOUT_S)

    @property
    def _run_state(self) -> RunState:
        return self._controller.status(self._now_ns()).state

    def _go_home(self) -> None:
        self._informed_controller.go_to(self._robot.start_pose, self._now_ns())

    def _go_to_sleep(self) -> None:
        self._informed_controller.go_to(
            self._robot.sleep_pose, self._now_ns(), open_grippers_first=True,
            via=self._robot.open_start_pose)

    async def _on_go_to(
        self, name: str, go: Callable[[], None], request: Trigger.Request,
        response: Trigger.Response,
    ) -> Trigger.Response:
        self._wants_start = False
        try:
            await self._require_ready()
            go()
        except CosmosPolicyError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, f'on the way: {name}'
        self._report_changes()
        return response

    async def _on_driver_poll(self) -> None:
        """See whether somebody changed modes or torque, or a motor failed, behind our back."""
        if self._is_active:
            self._report_problems(await self._drivers.changes())

    def _report_problems(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if self._is_active:
                self._informed_controller.report_problem(problem, self._now_ns())
        self._report_changes()

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._end_pending_starts()
        self._informed_controller.stop(StopReason.REQUESTED, self._now_ns(), 'stop was called')
        self._report_changes()
        response.success, response.message = True, 'holding'
        return response

    def _deactivate(self) -> None:
        if self._controller is None or not self._is_active:
            return
        self._is_active = False
        self._end_pending_starts()
        self._control_timer.cancel()
        self._automatic_start_timer.cancel()
        self._output.finish(self._informed_controller, self._now_ns())
        self._report_changes()

    def _on_status_timer(self) -> None:
        self._report_problems(self._drivers.foreign_commanders())
        self._publish_status(self._informed_controller.status(self._now_ns()))
        self._max_tick_period_s = 0.0

    def _check_policy(self) -> None:
        """Hold when a policy node that was there has fallen silent."""
        limit_s = self._params.policy_timeout_s
        if not limit_s or self._policy_heard_ns is None:
            return
        silence_s = (self._now_ns() - self._policy_heard_ns) / conversions.NANOSECONDS
        if silence_s > limit_s:
            self._policy_heard_ns, self._image_problem = None, ''
            self._controller.stop(
                StopReason.POLICY_DEAD, self._now_ns(),
                f'policy_node was silent for {silence_s:.1f} s (limit {limit_s} s)')

    def _report_changes(self) -> None:
        status = self._controller.status(self._now_ns())
        if (status.state, status.reason) == self._reported:
            return
        self._reported = status.state, status.reason
        log(self, 'error' if status.is_fault else 'info',
            f'{status.state.value}: {status.reason.value} {status.detail}')
        self._publish_status(status)

    def _publish_status(self, status: ArmStatus) -> None:
        self._topics.publish_status(status, max_tick_period_s=self._max_tick_period_s)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        names = {change.name for change in changes}
        shaping = names & {*DRIVER_PARAMETERS, *(item.name for item in fields(ArmSettings))}
        if self._controller is not None and shaping:
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(sorted(shaping))} can change only while arm_node is unconfigured; '
                'call the lifecycle transitions deactivate and cleanup first'))
        try:
            params = updated(self._params, changes)
            self._check_braking(params)
            self._params = params
            if self._controller is not None:
                self._controller.configure(self._motion())
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _check_braking(self, params: ArmNodeParameters) -> None:
        """Refuse to brake more gently from now on while the arms move: they would run on."""
        before, after = self._params.max_acceleration_rad_s2, params.max_acceleration_rad_s2
        if self._controller is not None and after < before and self._run_state in (
                RunState.MOVING, RunState.POSITIONING):
            raise ConfigurationError(
                f'max_acceleration_rad_s2 can be lowered, from {before:g} to {after:g}, only '
                'while the arms stand; stop them first')

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node until it is interrupted."""
    # Control goes before everything else, where the user may ask for it: among processes of
    # ordinary priority a tick waits for up to a whole period until one of them is through.
    return lifecycle.run(ArmNode, niceness=-10, realtime_priority=REALTIME_PRIORITY,
                         before_end=ArmNode.park)


if __name__ == '__main__':
    raise SystemExit(main())
