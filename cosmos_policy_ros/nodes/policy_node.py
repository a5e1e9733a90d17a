# SPDX-License-Identifier: Apache-2.0
"""The node that turns cameras and joint states into action chunks. It never touches an arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
import threading

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError, ObservationError
from cosmos_policy_ros.nodes import conversions, lifecycle, qos
from cosmos_policy_ros.nodes.image_conversions import rgb_from_compressed, rgb_from_image
from cosmos_policy_ros.nodes.interfaces import PolicyStatusMsg
from cosmos_policy_ros.nodes.parameter_declaration import declare, updated
from cosmos_policy_ros.nodes.parameters import PolicyNodeParameters
from cosmos_policy_ros.nodes.policies import (
    check_mode, check_strategy, check_task, load_policy, planning_settings)
from cosmos_policy_ros.nodes.policy_topics import PolicyTopics
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.nodes.waiting_messages import call_back_waiting, unwatched_joint_states
from cosmos_policy_ros.policy.arm_order import check_arm_order
from cosmos_policy_ros.policy.inference_worker import InferenceRequest, InferenceWorker
from cosmos_policy_ros.policy.prediction_monitor import PredictionMonitor, SeenState
from cosmos_policy_ros.policy.protocol import Policy
from cosmos_policy_ros.policy.query_seed import query_seed
from cosmos_policy_ros.robot.committed_motion import CommittedMotion
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings, Strategy
from cosmos_policy_ros.robot.observation_assembler import ObservationAssembler
from cosmos_policy_ros.robot.query_schedule import QuerySchedule
from cosmos_policy_ros.robot.settings import FreshnessLimits
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import ArmSpec

QUERY_CHECK_PERIOD_S = 0.02
STATUS_PERIOD_S = 1.0
# What comes later than this is not what the prediction was about.
MAX_COMPARISON_LATENESS_S = 0.3
# A forward pass cannot be interrupted; a planning query takes seconds.
CLOSE_TIMEOUT_S = 8.0
# Parameters that shape the policy or its inputs: fixed while a policy is loaded.
FIXED_WHILE_CONFIGURED = {'checkpoint', 'planning_checkpoint', 'max_joint_age_s',
                          'max_image_age_s', 'max_image_skew_s', 'max_identical_images'}


class PolicyNode(LifecycleNode):
    """Observe, infer on a worker thread, publish chunks.

    Subscriptions (best effort, newest only): `<arm>/joint_states` sensor_msgs/JointState and
    `<camera>/image` sensor_msgs/Image, or `<camera>/image/compressed` CompressedImage.
    Publications: `~/joint_trajectory` trajectory_msgs/JointTrajectory (14 joints, stamped with the
    observation), `~/action_chunk` ActionChunk, `~/plan` Plan (planning mode), `~/value`
    std_msgs/Float64, `~/predicted/<camera>` Image (computed only while somebody subscribes or
    `watch_predictions` is set), `~/prediction_error` PredictionError, `~/status` PolicyStatus
    (latched), `/diagnostics`.
    Services: `~/start`, `~/stop` std_srvs/Trigger.
    Parameters: `PolicyNodeParameters`.

    A timer on the executor's thread assembles an observation and hands it to the worker thread;
    answers are published from the worker thread.
    """

    def __init__(self, policy: Policy | None = None, **node_options: object) -> None:
        """Declare parameters and go to the state that `autostart` asks for.

        Args:
            policy: Used instead of the one that the parameters name.
            **node_options: Passed on to the node.
        """
        super().__init__('policy_node', **node_options)
        self._given_policy = policy
        self._params = declare(self, PolicyNodeParameters)
        self._robot = robot_spec(self._params.robot)
        self._policy: Policy | None = None
        self._worker: InferenceWorker | None = None
        self._is_active = self._is_running = False
        self._request: InferenceRequest | None = None
        self._next_query_ns = 0
        self._num_queries = self._num_failures = 0
        self._last_latency_s = 0.0
        self._problem = self._warning = self._image_problem = ''
        self._slowness = ''
        self._uncertainty: float | None = None
        self._is_leaving = threading.Event()
        self._schedule = QuerySchedule(self._query_settings())
        self._committed = CommittedMotion(self._robot, self._motion_settings())
        self._monitor = PredictionMonitor(max_lateness_s=MAX_COMPARISON_LATENESS_S)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        lifecycle.bring_to(self, self._params.autostart)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the policy and connect."""
        return lifecycle.guarded(self, self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Allow queries; begin at once if asked to."""
        self._is_active = True
        if self._params.start_on_activate:
            self._start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop querying."""
        self._is_active = False
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the policy and every connection."""
        self._stop()
        self._close()
        lifecycle.disconnect(self, self._own_entities)
        return lifecycle.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop querying for good, and drop the policy and every connection."""
        if self._policy is None:
            return lifecycle.SUCCESS
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        """Join the worker thread, then destroy the node."""
        self._is_leaving.set()
        self._close()
        super().destroy_node()

    def _configure(self) -> None:
        policy = self._given_policy or load_policy(self._params, self._robot)
        check_task(policy, self._params.task)
        check_arm_order(policy, self._robot)
        check_strategy(policy, self._params)
        self._warn(check_mode(policy, self._params))
        if not policy.is_trained:
            self.get_logger().warning(
                f'policy {policy.name!r} has random weights: it moves the arms, but its motion '
                'means nothing')
        self._assembler = ObservationAssembler(
            self._robot, policy.camera_names, FreshnessLimits(
                max_joint_age_s=self._params.max_joint_age_s,
                max_image_age_s=self._params.max_image_age_s,
                max_image_skew_s=self._params.max_image_skew_s,
                max_identical_images=self._params.max_identical_images))
        self._policy = policy
        self._worker = InferenceWorker(
            policy, on_prediction=self._on_prediction, on_error=self._on_failure)
        self._own_entities = lifecycle.entities(self)
        self._subscribe()
        self._advertise()

    def _subscribe(self) -> None:
        self._joint_states = unwatched_joint_states(
            self, self._robot.arms, self._on_joint_state)
        is_compressed = self._params.image_transport == 'compressed'
        for camera in self._policy.camera_names:
            self.create_subscription(
                CompressedImage if is_compressed else Image,
                f'{camera}/image/compressed' if is_compressed else f'{camera}/image',
                partial(self._on_image, camera, rgb_from_compressed
                        if is_compressed else rgb_from_image),
                qos.NEWEST_IMAGE)

    def _advertise(self) -> None:
        self._topics = PolicyTopics(self, self._robot, self._policy.camera_names)
        self.create_service(Trigger, '~/start', self._on_start)
        self.create_service(Trigger, '~/stop', self._on_stop)
        steady_timer(self, QUERY_CHECK_PERIOD_S, self._on_query_timer)
        steady_timer(self, STATUS_PERIOD_S, self._publish_status)

    def _on_joint_state(self, arm: ArmSpec, msg: JointState) -> None:
        try:
            self._assembler.update_joints(
                arm.name, conversions.joint_sample(msg, arm), self._now_ns())
        except ObservationError as error:
            self._assembler.refuse_joints(arm.name, str(error))

    def _on_image(self, camera: str, decode: Callable[[object], np.ndarray], msg: object) -> None:
        self._assembler.update_image(
            camera, partial(decode, msg), conversions.stamp_to_ns(msg.header.stamp),
            self._now_ns(), np.frombuffer(msg.data, np.uint8))

    def _on_query_timer(self) -> None:
        if not self._is_running:
            return
        call_back_waiting(self._joint_states)
        self._watch_images()
        self._compare_predictions()
        if self._now_ns() < self._next_query_ns or self._worker.is_busy:
            return
        try:
            observation = self._assembler.assemble(self._now_ns(), self._params.task)
        except ObservationError as error:
            self._report(str(error))
        else:
            self._report('')
            self._submit(observation)

    def _watch_images(self) -> None:
        """Tell at once when cameras fall silent or freeze: the arms must not wait for a query."""
        had_problem = bool(self._image_problem)
        self._image_problem = '; '.join(self._assembler.image_problems(self._now_ns()))
        if bool(self._image_problem) != had_problem:
            self._publish_status()

    def _submit(self, observation: Observation) -> None:
        params = self._params
        is_planned = params.mode == 'planning'
        seed = (query_seed(params.seed, observation.stamp_ns) if params.fresh_noise
                else params.seed)
        planning = (planning_settings(params, seed=seed, uncertainty=self._uncertainty)
                    if is_planned else None)
        self._request = InferenceRequest(
            observation=observation, seed=seed, planning=planning,
            num_denoising_steps=params.denoising_steps__action,
            with_future_images=self._topics.is_imagination_watched or params.watch_predictions,
            committed_actions=self._committed_actions(observation))
        self._worker.submit(self._request)

    def _committed_actions(self, observation: Observation) -> np.ndarray | None:
        """Return what will run during inference, for a chunk that is to begin with it."""
        latency_s = self._schedule.expected_latency_s
        if self._params.strategy != Strategy.PREFIX_CONDITIONED.value or latency_s is None:
            return None
        until_ns = observation.stamp_ns + round(latency_s * conversions.NANOSECONDS)
        actions = self._committed.actions(observation.proprio, observation.stamp_ns, until_ns)
        return None if actions is None else actions[:self._policy.chunk_size]

    def _on_prediction(self, request: InferenceRequest, prediction: Prediction) -> None:
        self._is_leaving.wait(self._params.inference_delay_s)
        if request is not self._request:
            # Stopped, or started anew, while this was being computed.
            return
        index, self._num_queries = self._num_queries, self._num_queries + 1
        self._last_latency_s = (
            self._now_ns() - prediction.chunk.stamp_ns) / conversions.NANOSECONDS
        self._schedule.add_latency(
            max(self._last_latency_s, 0.0), 'planning' if request.planning else 'direct')
        self._next_query_ns = self._schedule.due_ns(prediction.chunk, self._now_ns())
        self._committed.add(prediction.chunk, self._now_ns(), request.observation.proprio)
        self._report_slowness(self._schedule.problem(prediction.chunk) or '')
        self._topics.publish_prediction(prediction, {
            'execution_horizon': self._params.execution_horizon, 'query_index': index,
            'task': request.observation.task, 'policy': self._policy.name,
            'is_trained': self._policy.is_trained, 'latency_s': self._last_latency_s})
        if prediction.future_images:
            self._monitor.expect(index, prediction, self._seen(request.observation))

    def _compare_predictions(self) -> None:
        """Compare what was imagined for now with what is seen now."""
        if not self._monitor.is_due(self._now_ns()):
            return
        try:
            observation = self._assembler.assemble(self._now_ns(), self._params.task)
        except ObservationError:
            # The next query tells the operator.
            return
        for comparison in self._monitor.compare(self._seen(observation)):
            self._uncertainty = self._topics.publish_comparison(comparison)

    def _seen(self, observation: Observation) -> SeenState:
        return SeenState(proprio=observation.proprio, stamp_ns=observation.stamp_ns,
                         images=self._policy.seen_images(observation))

    def _on_failure(self, request: InferenceRequest, error: Exception) -> None:
        self._num_failures += 1
        self._next_query_ns = self._schedule.due_after_failure_ns(self._now_ns())
        self._report(f'inference failed: {error}')
        if not isinstance(error, CosmosPolicyError):
            # What nobody foresaw must not be retried on a moving robot.
            self._stop()

    def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._is_active
        response.message = 'querying' if self._is_active else 'policy_node is not active'
        if self._is_active:
            self._start()
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop()
        response.success, response.message = True, 'stopped'
        return response

    def _start(self) -> None:
        self._request = None
        self._policy.reset()
        self._schedule.reset()
        self._committed.clear()
        self._monitor.clear()
        self._uncertainty = None
        self._next_query_ns = 0
        self._image_problem = self._slowness = ''
        self._is_running = True
        self._publish_status()

    def _stop(self) -> None:
        self._request = None
        if self._is_running:
            self._is_running = False
            self._publish_status()

    def _close(self) -> None:
        close_policy = getattr(self._policy, 'close', None)
        if close_policy is not None and self._policy is not self._given_policy:
            # Ends a query that a remote model does not answer.
            close_policy()
        if self._worker is not None:
            self._worker.close(CLOSE_TIMEOUT_S)
        self._worker = self._policy = None

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            params = updated(self._params, changes)
            self._check_changes(params, {change.name for change in changes})
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._params = params
        self._schedule.configure(self._query_settings())
        self._committed.configure(self._motion_settings())
        if self._policy is not None:
            self._publish_status()
        return SetParametersResult(successful=True)

    def _query_settings(self) -> QuerySettings:
        return QuerySettings(**{
            item.name: getattr(self._params, item.name) for item in fields(QuerySettings)})

    def _motion_settings(self) -> MotionSettings:
        return MotionSettings(strategy=self._params.strategy, blend_s=self._params.blend_s)

    def _check_changes(self, params: PolicyNodeParameters, names: set[str]) -> None:
        planning_settings(params)
        if self._policy is None:
            return
        fixed = sorted(names & FIXED_WHILE_CONFIGURED)
        if fixed:
            raise ConfigurationError(
                f'{", ".join(fixed)} can change only while policy_node is unconfigured; '
                'call the lifecycle transition cleanup first')
        check_task(self._policy, params.task)
        check_strategy(self._policy, params)
        self._warn(check_mode(self._policy, params))

    def _report(self, problem: str) -> None:
        if problem and not self._problem:
            self.get_logger().error(problem)
        elif self._problem and not problem:
            self.get_logger().info('observations are complete again')
        changed, self._problem = problem != self._problem, problem
        if changed:
            self._publish_status()

    def _warn(self, text: str) -> None:
        if text and text != self._warning:
            self.get_logger().warning(text)
        self._warning = text

    def _report_slowness(self, text: str) -> None:
        if text and not self._slowness:
            self.get_logger().warning(text)
        self._slowness = text

    def _publish_status(self) -> None:
        state = 'running' if self._is_running else 'stopped' if self._is_active else 'inactive'
        self._topics.publish_status(PolicyStatusMsg(
            state=state, policy=self._policy.name, is_trained=self._policy.is_trained,
            task=self._params.task, mode=self._params.mode, queries=self._num_queries,
            failures=self._num_failures, last_latency_s=self._last_latency_s,
            problem=self._problem,
            warning='; '.join(filter(None, (self._warning, self._slowness))),
            image_problem=self._image_problem if self._is_running else ''))

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node until it is interrupted."""
    # The control loop goes before the model wherever they share a core.
    return lifecycle.run(PolicyNode, niceness=10)


if __name__ == '__main__':
    raise SystemExit(main())
