# SPDX-License-Identifier: Apache-2.0
"""Cues of somebody with both hands full: leader grippers and pedals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.recording.gesture import GripperGesture
from cosmos_policy_ros.spec.leader import LeaderSpec


class GestureWatch:
    """Calls back when the grippers of all leaders have been closed together.

    Subscribes to `<leader>/joint_states`. A message without its gripper is no cue.
    """

    def __init__(self, node: Node, leaders: tuple[LeaderSpec, ...], *, hold_s: float,
                 on_gesture: Callable[[], None]) -> None:
        """Begin to watch.

        Args:
            node: The node that subscribes.
            leaders: The arms.
            hold_s: How long all have to stay closed in [s].
            on_gesture: Called once per closing.
        """
        self._node, self._on_gesture = node, on_gesture
        self._gesture = GripperGesture(
            {leader.name: leader.gripper.start_below_rad for leader in leaders}, hold_s=hold_s)
        for leader in leaders:
            node.create_subscription(JointState, f'{leader.name}/joint_states',
                                     partial(self._on_joint_state, leader), qos.NEWEST_STATE)

    def _on_joint_state(self, leader: LeaderSpec, msg: JointState) -> None:
        angles = dict(zip(msg.name, msg.position))
        if leader.gripper_joint not in angles:
            return
        now_ns = self._node.get_clock().now().nanoseconds
        if self._gesture.update(leader.name, angles[leader.gripper_joint], now_ns):
            self._on_gesture()


class Pedal:
    """Calls back when a pedal goes down: at the rising edge of a std_msgs/Bool."""

    def __init__(self, node: Node, topic: str, on_press: Callable[[], None]) -> None:
        """Subscribe to `topic`; pedals may publish all the time or at changes only."""
        self._on_press = on_press
        self._was_down = False
        node.create_subscription(Bool, topic, self._on_bool, qos.DRIVER)

    def _on_bool(self, msg: Bool) -> None:
        is_press, self._was_down = msg.data and not self._was_down, msg.data
        if is_press:
            self._on_press()
