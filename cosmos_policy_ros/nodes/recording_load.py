# SPDX-License-Identifier: Apache-2.0
"""What four cameras and four arms publish, without a robot: a load to measure recorders with.

The stamp of a message counts the messages of its topic: whoever has the messages knows the gaps.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator
import itertools
import signal
import threading
import time

import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.conversions import stamp_from_ns

CAMERAS = ('cam_high', 'cam_low', 'cam_left_wrist', 'cam_right_wrist')
ARMS = ('follower_left', 'follower_right', 'leader_left', 'leader_right')
IMAGE_TOPICS = tuple(f'/{camera}/camera/color/image_rect_raw' for camera in CAMERAS)
JOINT_TOPICS = tuple(f'/{arm}/joint_states' for arm in ARMS)
IMAGE_RATE_HZ = 30
JOINT_RATE_HZ = 100
HEIGHT, WIDTH = 480, 640
_JOINTS = ('waist', 'shoulder', 'elbow', 'forearm_roll', 'wrist_angle', 'wrist_rotate', 'gripper',
           'left_finger', 'right_finger')


def main() -> int:
    """Publish until SIGTERM or SIGINT."""
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('recording_load')
    scenery = _scenery()
    streams = [_images(node, topic, scenery) for topic in IMAGE_TOPICS]
    streams += [_joint_states(node, topic) for topic in JOINT_TOPICS]
    rates_hz = [IMAGE_RATE_HZ] * len(IMAGE_TOPICS) + [JOINT_RATE_HZ] * len(JOINT_TOPICS)
    for due_s, stream in _schedule(rates_hz):
        # Returns at once where the time has passed: a late message is sent, not left out.
        if is_over.wait(max(0.0, due_s - time.monotonic())):
            break
        streams[stream]()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


def _schedule(rates_hz: list[int]) -> Iterator[tuple[float, int]]:
    """Yield due times and the streams that are due, in order; streams of a rate are spread."""
    start_s = time.monotonic()
    numbers = [0] * len(rates_hz)
    while True:
        due_s = [(numbers[i] + i / len(rates_hz)) / rate for i, rate in enumerate(rates_hz)]
        stream = min(range(len(rates_hz)), key=due_s.__getitem__)
        yield start_s + due_s[stream], stream
        numbers[stream] += 1


def _images(node: rclpy.node.Node, topic: str, scenery: bytes) -> Callable[[], None]:
    publisher = node.create_publisher(Image, topic, qos.CAMERA)
    picture = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH)
    picture.header.frame_id = 'camera_color_optical_frame'
    numbers = itertools.count()
    places = np.random.default_rng(len(topic)).integers(0, HEIGHT * WIDTH, 997)

    def publish() -> None:
        number = next(numbers)
        start = 3 * int(places[number % len(places)])
        picture.header.stamp = stamp_from_ns(number)
        picture.data = array.array('B', scenery[start:start + 3 * HEIGHT * WIDTH])
        publisher.publish(picture)

    return publish


def _joint_states(node: rclpy.node.Node, topic: str) -> Callable[[], None]:
    publisher = node.create_publisher(JointState, topic, qos.DRIVER)
    numbers = itertools.count()
    state = JointState(name=list(_JOINTS), position=[0.1] * 9, velocity=[0.0] * 9,
                       effort=[0.0] * 9)

    def publish() -> None:
        state.header.stamp = stamp_from_ns(next(numbers))
        publisher.publish(state)

    return publish


def _scenery() -> bytes:
    """Return the pixels of two pictures that are as hard to compress as those of a camera.

    Each image begins somewhere else in it: images that repeat would vanish in compression.
    """
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (48, 32, 3)).repeat(20, axis=0).repeat(20, axis=1)
    noise = random.normal(0.0, 4.0, blocks.shape)
    return np.clip(blocks + noise, 0, 255).astype(np.uint8).tobytes()


if __name__ == '__main__':
    raise SystemExit(main())
