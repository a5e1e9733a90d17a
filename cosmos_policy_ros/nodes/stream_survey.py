# SPDX-License-Identifier: Apache-2.0
"""What a robot publishes right now, and who commands it. It only listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState

from cosmos_policy_ros.bringup import RobotPreset
from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.nodes.conversions import joint_sample, NANOSECONDS, stamp_to_ns
from cosmos_policy_ros.nodes.image_conversions import rgb_from_image
from cosmos_policy_ros.nodes.stream_facts import Publisher, StreamFacts, Survey
from cosmos_policy_ros.robot.frozen_image import FrozenImageWatch
from cosmos_policy_ros.robot.settings import FreshnessLimits
from cosmos_policy_ros.spec.robot import ArmSpec, CameraSpec

COMMANDS = ('joint_group', 'joint_single', 'joint_trajectory')
FLAT_IMAGE_DEVIATION = 1.0
# Best effort matches every publisher; the depth bridges a moment in which this process is late.
_LISTENING = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


class StreamSurvey(Node):
    """Subscribes, best effort, to joint states and images of a robot and takes note.

    Args:
        preset: The robot and the names of its topics.
        **node_options: Options of the node.
    """

    def __init__(self, preset: RobotPreset, **node_options: object) -> None:
        super().__init__('stream_survey', **node_options)
        self._preset = preset
        self._streams = [
            *(_Stream(self, f'{arm.name}/joint_states', preset.names, JointState,
                      _JointStateReader(arm)) for arm in preset.robot.arms),
            *(_Stream(self, f'{camera.name}/image', preset.names, Image, _ImageReader(camera))
              for camera in preset.robot.cameras)]

    def look(self) -> Survey:
        """Return what has been seen so far."""
        return Survey(
            streams=tuple(stream.look() for stream in self._streams),
            commanders={arm.name: self._commanders(arm) for arm in self._preset.robot.arms})

    def _commanders(self, arm: ArmSpec) -> tuple[str, ...]:
        topics = [self._preset.names[f'{arm.name}/commands/{kind}'] for kind in COMMANDS]
        return tuple(sorted({publisher.node for topic in topics
                             for publisher in publishers_of(self, topic)}))


def survey_streams(preset: RobotPreset, *, listen_s: float) -> Survey:
    """Listen to a robot for a while, in the environment's ROS domain.

    Args:
        preset: The robot and the names of its topics.
        listen_s: How long to listen in [s], discovery included.
    """
    context = rclpy.Context()
    context.init()
    node = StreamSurvey(preset, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        deadline_s = time.monotonic() + listen_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left_s)
        return node.look()
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def middleware_name() -> str:
    """Name of the ROS middleware in use, for example `rmw_fastrtps_cpp`."""
    return rclpy.get_rmw_implementation_identifier()


def publishers_of(node: Node, topic: str) -> tuple[Publisher, ...]:
    """Return who publishes on a topic, as far as the node has discovered."""
    return tuple(
        Publisher(node=f'{info.node_namespace.rstrip("/")}/{info.node_name}',
                  type_name=info.topic_type,
                  is_reliable=info.qos_profile.reliability == ReliabilityPolicy.RELIABLE)
        for info in node.get_publishers_info_by_topic(topic))


class _Stream:
    """Arrival times and ages of one topic; its reader looks into the messages."""

    def __init__(self, node: Node, name: str, names: Mapping[str, str], message_type: type,
                 reader: Callable[[Any], tuple[str, str]]) -> None:
        self._node, self._name, self._topic, self._reader = node, name, names[name], reader
        package, kind = message_type.__module__.split('.')[0], message_type.__name__
        self._type_name = f'{package}/msg/{kind}'
        self._arrivals_s: list[float] = []
        self._ages_s: list[float] = []
        self._content = self._problem = self._concern = ''
        node.create_subscription(message_type, self._topic, self._on_message, _LISTENING)

    def look(self) -> StreamFacts:
        arrivals_s = self._arrivals_s
        gaps_s = [later - earlier for earlier, later in zip(
            arrivals_s, [*arrivals_s[1:], time.monotonic()])]
        duration_s = sum(gaps_s[:-1])
        return StreamFacts(
            name=self._name, topic=self._topic, type_name=self._type_name,
            publishers=publishers_of(self._node, self._topic), num_messages=len(arrivals_s),
            rate_hz=(len(arrivals_s) - 1) / duration_s if duration_s > 0 else 0.0,
            max_gap_s=max(gaps_s, default=0.0), median_age_s=median(self._ages_s or [0.0]),
            max_age_s=max(self._ages_s, default=0.0), content=self._content,
            problem=self._problem, concern=self._concern)

    def _on_message(self, msg: Any) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        self._arrivals_s.append(time.monotonic())
        self._ages_s.append((now_ns - stamp_to_ns(msg.header.stamp)) / NANOSECONDS)
        try:
            self._content, self._concern = self._reader(msg)
        except ObservationError as error:
            self._problem = str(error)


class _JointStateReader:
    """Content of a joint state, and nothing to be concerned about."""

    def __init__(self, arm: ArmSpec) -> None:
        self._arm = arm

    def __call__(self, msg: JointState) -> tuple[str, str]:
        sample = joint_sample(msg, self._arm)
        positions = ', '.join(f'{position:.2f}' for position in sample.positions[:-1])
        return f'{len(msg.name)} joints, arm at {positions} rad', ''


class _ImageReader:
    """Content of an image; a frozen, flat or unexpectedly large one is a concern."""

    def __init__(self, camera: CameraSpec) -> None:
        self._camera = camera
        self._frozen = FrozenImageWatch()

    def __call__(self, msg: Image) -> tuple[str, str]:
        image = rgb_from_image(msg)
        num_identical = self._frozen.update(image, stamp_to_ns(msg.header.stamp))
        return f'{msg.encoding} {msg.width}x{msg.height}', self._concern(msg, image, num_identical)

    def _concern(self, msg: Image, image: Any, num_identical: int) -> str:
        size, expected = (msg.width, msg.height), (self._camera.width, self._camera.height)
        if num_identical > FreshnessLimits.max_identical_images:
            return f'{num_identical + 1} images in a row are identical: the camera is frozen'
        if image[::8, ::8].std() < FLAT_IMAGE_DEVIATION:
            return f'the image is a flat colour, mean {image.mean():.0f} of 255'
        if size != expected:
            return f'the image is {size[0]}x{size[1]}, expected {expected[0]}x{expected[1]}'
        return ''
