# SPDX-License-Identifier: Apache-2.0
"""What waits in a subscription besides the message that woke its callback."""

from __future__ import annotations

from collections.abc import Iterator

from rclpy.subscription import Subscription


def waiting_messages(subscription: Subscription) -> Iterator[tuple[bytes, dict[str, int]]]:
    """Take the messages that wait in a raw subscription, at most as many as it holds.

    An executor takes one message of each subscription and then waits for all again, which costs
    more than the message. A callback that takes the rest as well catches up when it is late.

    Yields:
        Serialized message and its information, as the callback gets them.
    """
    for _ in range(subscription.qos_profile.depth):
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, True)
        if taken is None:
            return
        yield taken
