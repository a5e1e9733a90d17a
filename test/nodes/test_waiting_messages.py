# SPDX-License-Identifier: Apache-2.0
"""A callback that is late takes all that waits, in order, and then finds nothing."""

from rclpy.serialization import deserialize_message
from std_msgs.msg import String

from cosmos_policy_ros.nodes.waiting_messages import waiting_messages


def test_one_callback_takes_all_that_waits_in_order(ros):
    node, talker = ros.node('listener'), ros.node('talker')
    calls = []

    def on_message(data, info):
        calls.append([(data, info), *waiting_messages(subscription)])

    subscription = node.create_subscription(String, '/talk', on_message, 20, raw=True)
    publisher = talker.create_publisher(String, '/talk', 20)
    ros.spin_until(publisher.get_subscription_count, 'discovery')
    for number in range(12):
        publisher.publish(String(data=str(number)))
    ros.spin_until(lambda: sum(map(len, calls)) == 12, 'all messages')
    taken = [item for call in calls for item in call]
    assert [deserialize_message(data, String).data for data, _ in taken] == (
        [str(number) for number in range(12)])
    assert all(info['source_timestamp'] > 0 for _, info in taken)
    assert len(calls) < 12 and list(waiting_messages(subscription)) == []
