# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that only their owner looks at: all that waits, in order, and only once."""

import pytest
from rclpy.serialization import deserialize_message
from std_msgs.msg import Int32

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.waiting_messages import UnwatchedGroup, waiting_messages


class Listener:
    """Hears numbers in two ways."""

    def __init__(self, ros, profile, *, raw=False):
        node = ros.node('listener')
        self._ros, self.called_back = ros, []
        self.subscription = node.create_subscription(
            Int32, '/count', self.called_back.append, profile, raw=raw,
            callback_group=UnwatchedGroup())
        self._watched = ros.collect(node, Int32, '/count', qos.CHUNK)
        self._publisher = ros.node('talker').create_publisher(Int32, '/count', qos.CHUNK)
        ros.spin_until(lambda: self._publisher.get_subscription_count() == 2, 'discovery')

    def hear(self, count):
        """Return once an executor would have called back for all numbers below `count`."""
        for number in range(count):
            self._publisher.publish(Int32(data=number))
        self._ros.spin_until(lambda: len(self._watched) == count, 'all messages')


@pytest.mark.parametrize('raw', [False, True])
def test_all_that_waits_comes_in_order_once_and_never_by_the_executor(ros, raw):
    listener = Listener(ros, qos.CHUNK, raw=raw)
    assert list(waiting_messages(listener.subscription)) == []
    listener.hear(4)
    messages, information = zip(*waiting_messages(listener.subscription))
    if raw:
        messages = [deserialize_message(message, Int32) for message in messages]
    assert [message.data for message in messages] == [0, 1, 2, 3]
    assert all(one['source_timestamp'] > 0 for one in information)
    assert list(waiting_messages(listener.subscription)) == [] == listener.called_back


def test_of_states_only_the_newest_waits(ros):
    listener = Listener(ros, qos.NEWEST_STATE)
    listener.hear(3)
    (message, _), = waiting_messages(listener.subscription)
    assert message.data == 2
