# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that no executor watches: their owner takes what waits in them when it likes.

An executor builds its list of everything to wait for anew before and after every callback, which
costs several times what a small message does. A node that looks at its subscriptions at a fixed
rate spares most of its work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.spec.leader import LeaderSpec
from cosmos_policy_ros.spec.robot import ArmSpec

A = TypeVar('A', ArmSpec, LeaderSpec)


class UnwatchedGroup(CallbackGroup):
    """Callback group of what an executor is to leave alone."""

    def can_execute(self, entity: object) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing ever began."""


def waiting_messages(subscription: Subscription) -> Iterator[tuple[Any, dict[str, int]]]:
    """Take the messages that wait in a subscription, at most as many as it holds.

    Yields:
        Message, serialized if the subscription is a raw one, and its information, as a callback
        gets them.
    """
    for _ in range(subscription.qos_profile.depth):
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            return
        yield taken


def unwatched_joint_states(
    node: Node, arms: Iterable[A], callback: Callable[[A, JointState], None],
) -> list[Subscription]:
    """Subscribe to the newest `<arm>/joint_states` of some arms, for `call_back_waiting`."""
    group = UnwatchedGroup()
    return [node.create_subscription(
        JointState, f'{arm.name}/joint_states', partial(callback, arm), qos.NEWEST_STATE,
        callback_group=group) for arm in arms]


def call_back_waiting(subscriptions: Iterable[Subscription]) -> None:
    """Give all that waits in some subscriptions to their callbacks."""
    for subscription in subscriptions:
        for message, _ in waiting_messages(subscription):
            subscription.callback(message)
