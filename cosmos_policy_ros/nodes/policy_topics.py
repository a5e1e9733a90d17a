# SPDX-License-Identifier: Apache-2.0
"""What the policy node publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import array

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Float64, Header
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.image_conversions import image_from_rgb
from cosmos_policy_ros.nodes.interfaces import (
    ActionChunkMsg, PlanCandidateMsg, PlanMsg, PolicyStatusMsg, PredictionErrorMsg)
from cosmos_policy_ros.policy.prediction_monitor import PredictionComparison
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import RobotSpec


class PolicyTopics:
    """Publishers of the policy node; see `PolicyNode` for the list. Any thread may publish."""

    def __init__(self, node: Node, robot: RobotSpec, cameras: Sequence[str]) -> None:
        """Advertise the topics."""
        self._node, self._robot = node, robot
        self._is_arm_joint = ~np.isin(np.arange(robot.num_joints), robot.gripper_indices)
        self._trajectory = node.create_publisher(JointTrajectory, '~/joint_trajectory', qos.CHUNK)
        self._chunk = node.create_publisher(ActionChunkMsg, '~/action_chunk', qos.CHUNK)
        self._plan = node.create_publisher(PlanMsg, '~/plan', qos.CHUNK)
        self._value = node.create_publisher(Float64, '~/value', qos.CHUNK)
        self._error = node.create_publisher(PredictionErrorMsg, '~/prediction_error', qos.CHUNK)
        self._predicted = {
            camera: node.create_publisher(Image, f'~/predicted/{camera}', qos.CAMERA)
            for camera in cameras}
        self._status = node.create_publisher(PolicyStatusMsg, '~/status', qos.STATUS)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)

    @property
    def is_imagination_watched(self) -> bool:
        """Whether somebody subscribes to imagined images."""
        return any(publisher.get_subscription_count() for publisher in self._predicted.values())

    def publish_prediction(self, prediction: Prediction, context: Mapping[str, object]) -> None:
        """Publish the chunk first, then everything that explains it.

        Args:
            prediction: The prediction.
            context: Fields of ActionChunk that only the node knows.
        """
        chunk = prediction.chunk
        self._trajectory.publish(conversions.trajectory_from_chunk(chunk, self._robot))
        self._chunk.publish(conversions.chunk_message(prediction, self._robot, **context))
        self._value.publish(Float64(data=float(prediction.value)))
        if prediction.plan is not None:
            self._plan.publish(plan_message(prediction, self._robot, context['query_index']))
        for camera, image in prediction.future_images.items():
            self._predicted[camera].publish(
                image_from_rgb(image, chunk.end_ns, f'{camera}_predicted'))

    def publish_comparison(self, comparison: PredictionComparison) -> float:
        """Publish how far a prediction was from what arrived; return its uncertainty."""
        rms = comparison.proprio_rms(self._is_arm_joint)
        uncertainty = max(comparison.image_error.values(), default=rms)
        cameras = list(comparison.image_error)
        self._error.publish(PredictionErrorMsg(
            header=Header(stamp=conversions.stamp_from_ns(comparison.due_ns)),
            query_index=comparison.query_index, lateness_s=comparison.lateness_s, cameras=cameras,
            image_error=[comparison.image_error[camera] for camera in cameras],
            image_change=[comparison.image_change[camera] for camera in cameras],
            joint_names=list(self._robot.joint_names),
            proprio_error=comparison.proprio_error.tolist(), proprio_rms=rms,
            uncertainty=uncertainty))
        return uncertainty

    def publish_status(self, status: PolicyStatusMsg) -> None:
        """Publish the status, and its short form on /diagnostics."""
        status.header = Header(stamp=self._node.get_clock().now().to_msg())
        self._status.publish(status)
        self._diagnostics.publish(diagnostics_message(self._node, 'queries', status.problem, {
            'state': status.state, 'policy': status.policy, 'mode': status.mode,
            'queries': status.queries, 'failures': status.failures,
            'latency [s]': f'{status.last_latency_s:.3f}'}))


def plan_message(prediction: Prediction, robot: RobotSpec, query_index: int) -> PlanMsg:
    """Message of the plan behind a prediction."""
    plan, chunk = prediction.plan, prediction.chunk
    return PlanMsg(
        header=Header(stamp=conversions.stamp_from_ns(chunk.stamp_ns)), query_index=query_index,
        joint_names=list(robot.joint_names), chunk_size=len(chunk.positions),
        candidates=[PlanCandidateMsg(
            seed=candidate.seed, positions=array.array('d', candidate.chunk.tobytes()),
            is_valued=candidate.is_complete, value=candidate.value or 0.0,
            member_values=array.array('d', candidate.member_values.tobytes()))
            for candidate in plan.candidates],
        winner_index=plan.winner_index, num_requested=plan.num_requested,
        num_counted=plan.num_counted, num_values_counted=plan.num_values_counted,
        value_kind=plan.value_kind, aggregation=plan.aggregation, search_depth=plan.search_depth,
        future_steps=list(plan.future_steps), value_steps=list(plan.value_steps),
        value_spread=plan.value_spread or 0.0, deadline_s=float(plan.deadline_s),
        was_cut_short=plan.was_cut_short, reason=plan.reason,
        timings=conversions.timing_messages(plan.timings))
