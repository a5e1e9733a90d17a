# SPDX-License-Identifier: Apache-2.0
"""What a survey of a robot's topics found: values only, so that judging them needs no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """One publisher of a topic.

    Attributes:
        node: Full name of its node.
        type_name: What it publishes, for example `sensor_msgs/msg/Image`.
        is_reliable: Whether it serves subscribers that ask for reliable transport.
    """

    node: str
    type_name: str
    is_reliable: bool


@dataclass(frozen=True, kw_only=True)
class StreamFacts:
    """What was seen of one stream.

    Attributes:
        name: Name inside our nodes, for example `cam_high/image`.
        topic: Name on the robot.
        type_name: The message type that our nodes expect.
        publishers: Who publishes.
        num_messages: Messages that came.
        rate_hz: Messages per second between the first and the last, in [Hz]; 0 if fewer than two.
        max_gap_s: Longest time without a message after the first, in [s].
        median_age_s: Median time from stamp to arrival in [s]; negative if stamps lie ahead.
        max_age_s: Longest such time in [s].
        content: What the newest message holds.
        problem: Why a message could not be used, the last one of all; empty if all could.
        concern: What is odd about the newest message; empty if nothing.
    """

    name: str
    topic: str
    type_name: str
    publishers: tuple[Publisher, ...]
    num_messages: int
    rate_hz: float
    max_gap_s: float
    median_age_s: float
    max_age_s: float
    content: str
    problem: str
    concern: str


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was seen of a robot.

    Attributes:
        streams: Joint states of every arm, then images of every camera.
        commanders: Arm to the full names of the nodes that publish on its command topics.
    """

    streams: tuple[StreamFacts, ...]
    commanders: Mapping[str, tuple[str, ...]]
