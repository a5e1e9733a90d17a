# SPDX-License-Identifier: Apache-2.0
"""Writes what a robot in virtual time does as the recorder node would write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.recording.encode import encode_message, header
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter
from cosmos_policy_ros.simulation.xs_joint_states import JointStates
from cosmos_policy_ros.spec.action import JointCommand
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

JPEG_QUALITY = 95


class VirtualRecorder:
    """Serialises joint states, commands and images into one episode; a `RobotListener`.

    Images are stored as JPEG under the name that image_transport gives them:
    `<image topic>/compressed`.
    """

    def __init__(self, writer: EpisodeWriter, robot: RobotSpec, topics: EpisodeTopics) -> None:
        self._writer, self._robot, self._topics = writer, robot, topics

    def on_joint_states(self, arm: ArmSpec, states: JointStates, now_ns: int) -> None:
        """Write the joint states of one arm."""
        self.write(self._topics.joint_states[arm.name], 'sensor_msgs/msg/JointState', now_ns, {
            'header': header(now_ns), 'name': list(states.names),
            'position': list(states.positions), 'velocity': list(states.velocities),
            'effort': list(states.efforts)})

    def on_command(self, command: JointCommand) -> None:
        """Write what both drivers are told."""
        for index, arm in enumerate(self._robot.arms):
            *joints, opening = command.positions[self._robot.arm_slice(index)].tolist()
            self.write(
                self._topics.group_commands[arm.name], 'interbotix_xs_msgs/msg/JointGroupCommand',
                command.stamp_ns, {'name': 'arm', 'cmd': joints})
            self.write(
                self._topics.gripper_commands[arm.name],
                'interbotix_xs_msgs/msg/JointSingleCommand', command.stamp_ns,
                {'name': arm.gripper_joint, 'cmd': arm.gripper.joint_from_opening(opening)})

    def write_image(self, camera: str, image: np.ndarray, stamp_ns: int) -> None:
        """Write an RGB image of shape (H, W, 3), uint8."""
        is_encoded, data = cv2.imencode(
            '.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not is_encoded:
            raise RecordingError(f'image of {camera}, shape {image.shape}, cannot be compressed')
        self.write(
            f'{self._topics.cameras[camera]}/compressed', 'sensor_msgs/msg/CompressedImage',
            stamp_ns, {'header': header(stamp_ns, f'{camera}_color_optical_frame'),
                       'format': 'rgb8; jpeg', 'data': data.tobytes()})

    def write_prediction(self, prediction: Prediction, now_ns: int, **context: Any) -> None:
        """Write an answer of the policy as the policy node publishes it.

        Args:
            prediction: The answer.
            now_ns: Time of its arrival in [ns].
            **context: Fields of ActionChunk that the prediction does not know: execution_horizon,
                task, policy, is_trained, query_index.
        """
        chunk = prediction.chunk
        self.write(self._topics.chunks, 'cosmos_policy_ros/msg/ActionChunk', now_ns, {
            'header': header(chunk.stamp_ns), 'joint_names': list(self._robot.joint_names),
            'chunk_size': len(chunk.positions), 'period_s': chunk.period_ns / 1e9,
            'positions': chunk.positions.ravel().tolist(), 'mode': prediction.mode,
            'seed': prediction.seed, 'num_denoising_steps': prediction.num_denoising_steps,
            'value': float(prediction.value),
            'future_proprio': prediction.future_proprio.tolist(),
            'latency_s': (now_ns - chunk.stamp_ns) / 1e9,
            'timings': [{'name': timing.name, 'duration_s': timing.duration_s}
                        for timing in prediction.timings], **context})
        for camera, image in prediction.future_images.items():
            self.write_predicted_image(camera, image, chunk.end_ns, now_ns)

    def write_predicted_image(
        self, camera: str, image: np.ndarray, stamp_ns: int, now_ns: int,
    ) -> None:
        """Write an imagined RGB image of shape (H, W, 3), uint8, stamped with what it shows."""
        height, width, _ = image.shape
        self.write(self._topics.predicted[camera], 'sensor_msgs/msg/Image', now_ns, {
            'header': header(stamp_ns, f'{camera}_color_optical_frame'), 'height': height,
            'width': width, 'encoding': 'rgb8', 'step': 3 * width, 'data': image.tobytes()})

    def write_joints(self, topic: str, positions: np.ndarray, stamp_ns: int) -> None:
        """Write a joint vector of shape (A,) as a sensor_msgs/JointState."""
        self.write(topic, 'sensor_msgs/msg/JointState', stamp_ns, {
            'header': header(stamp_ns), 'name': list(self._robot.joint_names),
            'position': positions.tolist()})

    def write(self, topic: str, type_name: str, now_ns: int, fields: Mapping[str, Any]) -> None:
        """Write one message that is received when it is sent."""
        if topic not in self._writer.message_counts:
            self._writer.add_topic(Topic(name=topic, type_name=type_name))
        self._writer.write(topic, encode_message(type_name, fields), log_time_ns=now_ns,
                           publish_time_ns=now_ns)
