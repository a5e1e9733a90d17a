# SPDX-License-Identifier: Apache-2.0
"""Waiting inside a callback."""

import gc

from rclpy.callback_groups import CallbackGroup, ReentrantCallbackGroup
from std_srvs.srv import Trigger

from cosmos_policy_ros.nodes.waiting import wait_until

WAITS = 5


def remembered_entities() -> int:
    """Entities, also of the past, that all callback groups know."""
    return sum(len(group.entities) for group in gc.get_objects()
               if isinstance(group, CallbackGroup))


def test_waiting_leaves_nothing_behind_and_says_whether_it_was_in_time(ros):
    node = ros.node()
    answers = []

    async def answer(request, response):
        answers.append(await wait_until(
            node, lambda: len(answers) == WAITS - 1, timeout_s=0.05))
        return response

    node.create_service(Trigger, 'wait', answer, callback_group=ReentrantCallbackGroup())
    client = node.create_client(Trigger, 'wait')
    ros.spin_until(client.service_is_ready, 'the service')
    before = remembered_entities()
    for _ in range(WAITS):
        future = client.call_async(Trigger.Request())
        ros.spin_until(future.done, 'the answer')
    assert answers == [False] * (WAITS - 1) + [True]
    gc.collect()
    # The executor may still know the last one.
    assert remembered_entities() < before + WAITS - 1
