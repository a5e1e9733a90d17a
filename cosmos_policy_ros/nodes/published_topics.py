# SPDX-License-Identifier: Apache-2.0
"""What is published of what is to be recorded, and how to subscribe to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.nodes.recorded_images import recorded_topic, write_settings
from cosmos_policy_ros.recording.image_encoding import COMPRESSED_TYPE, IMAGE_TYPE

# Seconds of every stream may wait in the middleware; images are large, the others come more often.
IMAGE_DEPTH, DEPTH = 50, 500


def published_types(node: Node, wanted: Iterable[str]) -> Mapping[str, list[str]]:
    """Return which of the wanted topics, or their compressed twins, are published with what types.

    Args:
        node: The node that looks.
        wanted: Names of topics.
    """
    names = {name for topic in wanted for name in (topic, f'{topic}/compressed')}
    return {name: sorted({info.topic_type for info in publishers})
            for name, _ in node.get_topic_names_and_types() if name in names
            if (publishers := node.get_publishers_info_by_topic(name))}


def offered_profile(node: Node, name: str) -> QoSProfile:
    """Return the strictest profile that matches every publisher of a topic."""
    publishers = node.get_publishers_info_by_topic(name)
    has_images = any(info.topic_type in (IMAGE_TYPE, COMPRESSED_TYPE) for info in publishers)
    offers = [info.qos_profile for info in publishers]
    is_reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
    is_latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=IMAGE_DEPTH if has_images else DEPTH,
        reliability=(ReliabilityPolicy.RELIABLE if is_reliable
                     else ReliabilityPolicy.BEST_EFFORT),
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if is_latched
                    else DurabilityPolicy.VOLATILE))


def absent_topics(node: Node, params: RecorderNodeParameters) -> list[str]:
    """Return which of the topics that every episode must hold nobody publishes."""
    types = {name: kinds[0] for name, kinds in published_types(node, params.topics).items()}
    encoding = write_settings(params).encoding
    return [name for name in params.topics if recorded_topic(name, types, encoding) is None]


def require_topics(node: Node, params: RecorderNodeParameters) -> None:
    """Refuse an episode that would lack a topic.

    Raises:
        RecordingError: Naming those that nobody publishes.
    """
    absent = absent_topics(node, params)
    if absent:
        raise RecordingError(f'nobody publishes {", ".join(absent)}; every episode must hold '
                             f'{", ".join(params.topics)}')
