# SPDX-License-Identifier: Apache-2.0
"""A recorder as robot vendors ship them, to measure ours against; of no other use.

It deserialises every message, keeps all frames in memory, and writes one HDF5 file at the end.
"""

from __future__ import annotations

from pathlib import Path
import sys

import h5py
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from cosmos_policy_ros.nodes import lifecycle
from cosmos_policy_ros.nodes.conversions import stamp_to_ns
from cosmos_policy_ros.nodes.recording_load import IMAGE_TOPICS, JOINT_TOPICS

# Printed once every topic has been heard.
COMPLETE = 'every topic is there'
_DEPTH = 10


class BufferingRecorder(Node):
    """Keeps what the load publishes in memory and writes it when it is destroyed."""

    def __init__(self, path: Path) -> None:
        """Subscribe to the load; `path` is the file to write."""
        super().__init__('buffering_recorder')
        self._path, self._is_complete = path, False
        self._stamps: dict[str, list[int]] = {}
        self._values: dict[str, list[np.ndarray]] = {}
        for topic in IMAGE_TOPICS:
            self._listen(Image, topic, lambda msg: np.frombuffer(msg.data, np.uint8).reshape(
                msg.height, msg.width, 3).copy())
        for topic in JOINT_TOPICS:
            self._listen(JointState, topic, lambda msg: np.array(msg.position))

    def _listen(self, message_type: type, topic: str, convert: object) -> None:
        stamps, values = self._stamps.setdefault(topic, []), self._values.setdefault(topic, [])

        def on_message(msg: object) -> None:
            stamps.append(stamp_to_ns(msg.header.stamp))
            values.append(convert(msg))
            if not self._is_complete and all(self._values.values()):
                self._is_complete = True
                print(COMPLETE, flush=True)

        self.create_subscription(message_type, topic, on_message, _DEPTH)

    def destroy_node(self) -> None:
        """Write the file, then destroy the node."""
        with h5py.File(self._path, 'w') as file:
            for topic, values in self._values.items():
                file[f'{topic[1:]}/stamps'] = self._stamps[topic]
                if values:
                    data = file.create_dataset(
                        f'{topic[1:]}/values', (len(values), *values[0].shape), values[0].dtype)
                    for row, value in enumerate(values):
                        data[row] = value
        super().destroy_node()


def buffered_stamps(path: Path) -> dict[str, np.ndarray]:
    """Return topic to the stamps in [ns] of the messages that a file holds."""
    with h5py.File(path) as file:
        return {topic: file[f'{topic[1:]}/stamps'][:] for topic in (*IMAGE_TOPICS, *JOINT_TOPICS)}


def main() -> int:
    """Record to the file that the command line names, until SIGTERM."""
    return lifecycle.run(lambda: BufferingRecorder(Path(sys.argv[1])))


if __name__ == '__main__':
    raise SystemExit(main())
