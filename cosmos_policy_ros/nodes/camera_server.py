# SPDX-License-Identifier: Apache-2.0
"""The simulated cameras as topics: a thread renders and publishes at a fixed rate."""

from __future__ import annotations

from collections.abc import Sequence
import math
import threading
import time

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from cosmos_policy_ros.nodes import conversions, lifecycle, qos
from cosmos_policy_ros.nodes.image_conversions import compressed_from_rgb, image_from_rgb
from cosmos_policy_ros.simulation.fault_injector import FaultInjector
from cosmos_policy_ros.simulation.renderer import CameraRenderer
from cosmos_policy_ros.simulation.sensor_noise import SensorNoise
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.spec.robot import CameraSpec

CAMERA_NICENESS = 5


class CameraServer:
    """Images, camera info and optionally JPEG of every camera, stamped with their acquisition.

    Publications (reliable): `<camera>/image` sensor_msgs/Image rgb8, `<camera>/camera_info`
    CameraInfo, and `<camera>/image/compressed` CompressedImage if asked for.
    """

    def __init__(self, node: Node, simulation: SimulatedAloha, cameras: Sequence[CameraSpec],
                 faults: FaultInjector, *, rate_hz: float, publish_compressed: bool) -> None:
        """Advertise the topics; `start` begins to render.

        Args:
            node: The node that publishes.
            simulation: The robot.
            cameras: At least one camera; all have the same size.
            faults: What the cameras suffer from.
            rate_hz: Images per camera in [Hz].
            publish_compressed: Whether to publish JPEG images too.
        """
        self._node, self._simulation, self._cameras = node, simulation, cameras
        self._faults = faults
        self._period_s = 1 / rate_hz
        width, height = cameras[0].width, cameras[0].height
        self._renderer = CameraRenderer(
            simulation.load_visual_model(), width=width, height=height)
        self._noise = SensorNoise(width=width, height=height)
        self._infos = {camera.name: self._camera_info(camera) for camera in cameras}
        self._publishers = {
            kind: {camera.name: node.create_publisher(kind, f'{camera.name}/{topic}', qos.CAMERA)
                   for camera in cameras}
            for kind, topic in self._topics(publish_compressed)}
        self._should_stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='cameras', daemon=True)
        self.num_images = 0
        self.problem: Exception | None = None

    def start(self) -> None:
        """Begin to render and publish."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and free the renderer."""
        self._should_stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    @staticmethod
    def _topics(publish_compressed: bool) -> list[tuple[type, str]]:
        topics = [(Image, 'image'), (CameraInfo, 'camera_info')]
        return topics + [(CompressedImage, 'image/compressed')] * publish_compressed

    def _camera_info(self, camera: CameraSpec) -> CameraInfo:
        focal_px = camera.height / 2 / math.tan(math.radians(
            float(self._simulation.model.camera(camera.name).fovy[0])) / 2)
        centre_x, centre_y = camera.width / 2, camera.height / 2
        return CameraInfo(
            header=Header(frame_id=_frame_id(camera.name)), width=camera.width,
            height=camera.height, distortion_model='plumb_bob', d=[0.0] * 5,
            k=[focal_px, 0.0, centre_x, 0.0, focal_px, centre_y, 0.0, 0.0, 1.0],
            r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p=[focal_px, 0.0, centre_x, 0.0, 0.0, focal_px, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0])

    def _run(self) -> None:
        # Joint states are late sooner than images are.
        lifecycle.set_priority(CAMERA_NICENESS, threading.get_native_id())
        try:
            self._publish_until_stopped()
        # The thread has no caller: the node reads the problem and ends the process.
        except Exception as error:
            self.problem = error
        finally:
            self._renderer.close()

    def _publish_until_stopped(self) -> None:
        start_s, tick = time.monotonic(), 0
        while not self._should_stop.wait(max(
                0.0, start_s + tick * self._period_s - time.monotonic())):
            self._publish_all()
            # A machine that cannot keep up skips images; it never falls behind the present.
            tick = max(tick + 1, int((time.monotonic() - start_s) / self._period_s))

    def _publish_all(self) -> None:
        snapshot = self._simulation.snapshot()
        for camera in self._cameras:
            image = self._noise.add_to(self._renderer.render(snapshot, camera.name))
            for message in self._faults.spoil(
                    camera.name, image, snapshot.stamp_ns,
                    self._node.get_clock().now().nanoseconds):
                self._publish(camera.name, message.content, message.stamp_ns)
            if self._should_stop.is_set():
                return
        self.num_images += 1

    def _publish(self, camera: str, image: object, stamp_ns: int) -> None:
        frame_id = _frame_id(camera)
        self._publishers[Image][camera].publish(
            image_from_rgb(image, stamp_ns, frame_id))
        info = self._infos[camera]
        info.header.stamp = conversions.stamp_from_ns(stamp_ns)
        self._publishers[CameraInfo][camera].publish(info)
        if CompressedImage in self._publishers:
            self._publishers[CompressedImage][camera].publish(
                compressed_from_rgb(image, stamp_ns, frame_id))


def _frame_id(camera: str) -> str:
    return f'{camera}_color_optical_frame'
