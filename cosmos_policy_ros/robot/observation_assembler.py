# SPDX-License-Identifier: Apache-2.0
"""Join the newest sample of every stream into one observation, or say what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError, ObservationError
from cosmos_policy_ros.robot.frozen_image import FrozenImageWatch
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.joint_streams import JointStreams
from cosmos_policy_ros.robot.settings import FreshnessLimits, NS_PER_S
from cosmos_policy_ros.robot.stream_buffer import Sample, StreamBuffer
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.robot import CameraSpec, RobotSpec

# An RGB image of shape (H, W, 3), uint8, or a function that decodes it when it is needed.
ImageSource = np.ndarray | Callable[[], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class CameraHealth:
    """How one camera's stream is doing.

    Attributes:
        camera: Name of the camera.
        age_s: Age of its newest image in [s]; None until one arrived.
        num_older: Images refused because a newer one was here.
        num_repeated: Images refused since the stamp last advanced, because they repeated it.
    """

    camera: str
    age_s: float | None
    num_older: int
    num_repeated: int


class ObservationAssembler:
    """Newest sample of every stream, joined on request. Thread-safe."""

    def __init__(
        self, robot: RobotSpec, cameras: Sequence[str], limits: FreshnessLimits,
    ) -> None:
        """Create an assembler that waits for every arm and for the named cameras.

        Raises:
            ConfigurationError: If the robot lacks one of the cameras.
        """
        self._limits = limits
        self._cameras = {name: robot.camera(name) for name in cameras}
        self._joints = JointStreams(
            robot, max_age_s=limits.max_joint_age_s, future_tolerance_s=limits.future_tolerance_s)
        self._images: dict[str, StreamBuffer[ImageSource]] = {
            name: StreamBuffer(future_tolerance_s=limits.future_tolerance_s) for name in cameras}
        self._watches = {name: FrozenImageWatch() for name in cameras}
        self._lock = Lock()

    def update_joints(self, arm_name: str, sample: JointSample, received_ns: int) -> None:
        """Take a plausible measurement of one arm.

        Raises:
            ConfigurationError: If the robot has no such arm.
            ObservationError: If the sample has the wrong number of joints.
        """
        with self._lock:
            self._joints.update(arm_name, sample, received_ns)

    def refuse_joints(self, arm_name: str, detail: str) -> None:
        """Note that the arm reported something that is no measurement, and why.

        Raises:
            ConfigurationError: If the robot has no such arm.
        """
        with self._lock:
            self._joints.refuse(arm_name, detail)

    def update_image(
        self, camera: str, image: ImageSource, stamp_ns: int, received_ns: int,
        content: np.ndarray | None = None,
    ) -> None:
        """Take an image; only the newest of each camera is decoded, when it is assembled.

        Args:
            camera: The camera.
            image: The image, or what decodes it.
            stamp_ns: Its stamp in [ns].
            received_ns: Time of its arrival in [ns].
            content: What tells a frozen camera, for example the bytes of the message, shape
                (N,), uint8; None: the pixels, unless `image` has yet to be decoded.

        Raises:
            ConfigurationError: If the camera is not one of those waited for.
        """
        if camera not in self._images:
            raise ConfigurationError(
                f'unknown camera {camera!r}; the observation has {", ".join(self._images)}')
        if content is None and not callable(image):
            content = image
        with self._lock:
            if self._images[camera].push(image, stamp_ns, received_ns) and content is not None:
                self._watches[camera].update(content, stamp_ns)

    def image_problems(self, now_ns: int) -> list[str]:
        """Say which cameras fell silent or froze; one that was never heard did neither."""
        with self._lock:
            heard = {name: buffer for name, buffer in self._images.items()
                     if buffer.newest is not None}
            texts = {name: buffer.problem(now_ns, max_age_s=self._limits.max_image_age_s)
                     or self._frozen(name) for name, buffer in heard.items()}
        return [f'{name}: {text}' for name, text in texts.items() if text is not None]

    def camera_health(self, now_ns: int) -> tuple[CameraHealth, ...]:
        """Return age and counters of every camera's stream."""
        with self._lock:
            return tuple(_camera_health(*item, now_ns) for item in self._images.items())

    def joint_age_s(self, now_ns: int) -> float | None:
        """Age of the arm heard longest ago in [s]; None until every arm reported."""
        with self._lock:
            return self._joints.age_s(now_ns)

    def assemble(self, now_ns: int, task: str) -> Observation:
        """Join the newest samples.

        Args:
            now_ns: The present in [ns].
            task: Text of the task.

        Returns:
            The observation, stamped with its oldest part.

        Raises:
            ObservationError: If any stream is missing, stale, skewed, frozen, ahead of the clock,
                of the wrong size or cannot be decoded; one text names them all.
        """
        with self._lock:
            problems = [problem.text for problem in self._joints.problems(now_ns)]
            problems += self._image_problems(now_ns)
            samples = {name: buffer.newest for name, buffer in self._images.items()
                       if self._is_fresh(buffer, now_ns)}
            proprio, joint_stamp_ns = self._joints.positions, self._joints.oldest_stamp_ns
        problems += self._skew_problems(samples)
        images, image_problems = self._decode_all(samples)
        problems += image_problems
        if problems:
            raise ObservationError('no observation: ' + '; '.join(problems))
        return Observation(
            images=images, proprio=proprio, task=task,
            stamp_ns=min([joint_stamp_ns, *(sample.stamp_ns for sample in samples.values())]))

    def _is_fresh(self, buffer: StreamBuffer[ImageSource], now_ns: int) -> bool:
        return buffer.problem(now_ns, max_age_s=self._limits.max_image_age_s) is None

    def _image_problems(self, now_ns: int) -> list[str]:
        texts = {name: buffer.problem(now_ns, max_age_s=self._limits.max_image_age_s)
                 for name, buffer in self._images.items()}
        return [f'{name}: {text}' for name, text in texts.items() if text is not None]

    def _skew_problems(self, samples: dict[str, Sample[ImageSource]]) -> list[str]:
        if not samples:
            return []
        in_order = sorted(samples, key=lambda name: samples[name].stamp_ns)
        first, last = in_order[0], in_order[-1]
        skew_s = (samples[last].stamp_ns - samples[first].stamp_ns) / NS_PER_S
        if skew_s <= self._limits.max_image_skew_s:
            return []
        return [f'{first} and {last} are {skew_s:.3f} s apart '
                f'(limit {self._limits.max_image_skew_s:.3f} s)']

    def _decode_all(
        self, samples: dict[str, Sample[ImageSource]],
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        images, problems = {}, []
        for name, sample in samples.items():
            try:
                images[name] = self._decode(self._cameras[name], sample)
            except CosmosPolicyError as error:
                problems.append(f'{name}: {error}')
        return images, problems

    def _decode(self, camera: CameraSpec, sample: Sample[ImageSource]) -> np.ndarray:
        image = sample.value() if callable(sample.value) else sample.value
        if image.shape != (camera.height, camera.width, 3) or image.dtype != np.uint8:
            raise ObservationError(
                f'image has shape {image.shape} {image.dtype}, '
                f'expected {(camera.height, camera.width, 3)} uint8')
        with self._lock:
            frozen = self._frozen(camera.name)
        if frozen is not None:
            raise ObservationError(frozen)
        return image

    def _frozen(self, camera: str) -> str | None:
        num_identical = self._watches[camera].num_identical
        if not 0 < self._limits.max_identical_images < num_identical:
            return None
        return (f'frozen: {num_identical} images with new stamps but the same content '
                f'(limit {self._limits.max_identical_images})')


def _camera_health(
    camera: str, buffer: StreamBuffer[ImageSource], now_ns: int,
) -> CameraHealth:
    age_ns = buffer.age_ns(now_ns)
    return CameraHealth(
        camera=camera, age_s=None if age_ns is None else age_ns / NS_PER_S,
        num_older=buffer.num_older, num_repeated=buffer.num_repeated)
