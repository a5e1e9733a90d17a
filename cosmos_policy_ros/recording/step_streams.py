# SPDX-License-Identifier: Apache-2.0
"""What is known of each stream around the step that is being made: bounded, in order, checked."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from cosmos_policy_ros.errors import ObservationError, RecordingError
from cosmos_policy_ros.recording.decode import image_decoder, stamp_ns
from cosmos_policy_ros.recording.image_encoding import COMPRESSED_TYPE
from cosmos_policy_ros.recording.step import NS_PER_S
from cosmos_policy_ros.recording.step_image import StepImage
from cosmos_policy_ros.spec.joint_vector import joint_vector_from_state, motor_vector_from_state
from cosmos_policy_ros.spec.robot import ArmSpec

# A stamp farther from the reception than this comes from another clock.
_MAX_DELAY_NS = 2 * NS_PER_S


class MeasuredJoints(NamedTuple):
    """Joints of one arm, gripper last; arrays of shape (J + 1,), None where not reported."""

    positions: np.ndarray
    velocities: np.ndarray | None
    efforts: np.ndarray | None


class Stream:
    """Samples of one topic in the order of their times.

    Attributes:
        topic: Name of the topic.
        first_ns: Time of the first sample, kept or not, in [ns]; None before it.
        last_ns: Time of the newest sample in [ns]; None before the first.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._samples: deque[tuple[int, Any]] = deque()

    @property
    def oldest_ns(self) -> int | None:
        """Time of the oldest sample that is kept in [ns]; None before the first."""
        return self._samples[0][0] if self._samples else None

    def add(self, log_time_ns: int, message: Any) -> None:
        """Take the next message.

        Raises:
            RecordingError: If it goes back in time or cannot be used.
        """
        raise NotImplementedError

    def drop_before(self, time_ns: int) -> None:
        """Forget what is older than the newest sample at or before a time."""
        while len(self._samples) > 1 and self._samples[1][0] <= time_ns:
            self._samples.popleft()

    def _append(self, time_ns: int, sample: Any) -> None:
        if self.last_ns is not None and time_ns < self.last_ns:
            raise RecordingError(
                f'{self.topic} goes back in time, from {self.last_ns} to {time_ns} ns')
        self._samples.append((time_ns, sample))
        self.last_ns = time_ns
        if self.first_ns is None:
            self.first_ns = time_ns

    def _newest(self, time_ns: int) -> tuple[int, Any]:
        return next(sample for sample in reversed(self._samples) if sample[0] <= time_ns)


class _StampedStream(Stream):
    """A stream whose messages carry the time at which they were true."""

    def __init__(self, topic: str, *, max_gap_ns: int) -> None:
        super().__init__(topic)
        self._max_gap_ns = max_gap_ns

    def check_alive(self, log_time_ns: int) -> None:
        """Refuse a stream that ended long before the others.

        Raises:
            RecordingError: If nothing has come for longer than a gap and a delay may last.
        """
        self._check_gap(self.last_ns, log_time_ns, self._max_gap_ns + _MAX_DELAY_NS)

    def _stamp(self, log_time_ns: int, message: Any) -> int:
        time_ns = stamp_ns(message)
        if abs(log_time_ns - time_ns) > _MAX_DELAY_NS:
            raise RecordingError(
                f'a message on {self.topic} is stamped {time_ns} ns but was received at '
                f'{log_time_ns} ns; these are different clocks, or it was '
                f'{abs(log_time_ns - time_ns) / NS_PER_S:.1f} s on its way')
        return time_ns

    def _check_gap(self, from_ns: int, to_ns: int, limit_ns: int) -> None:
        if to_ns - from_ns > limit_ns:
            raise RecordingError(
                f'{self.topic} has nothing from {from_ns} to {to_ns} ns, '
                f'{(to_ns - from_ns) / NS_PER_S:.2f} s; allowed is '
                f'{self._max_gap_ns / NS_PER_S:.2f} s')


class ImageStream(_StampedStream):
    """Images of one camera: raw, compressed and decoded only where a step is asked, or video."""

    def __init__(self, topic: str, type_name: str, *, max_gap_ns: int) -> None:
        super().__init__(topic, max_gap_ns=max_gap_ns)
        self._is_compressed = type_name == COMPRESSED_TYPE
        self._decode = image_decoder(type_name)

    def add(self, log_time_ns: int, message: Any) -> None:
        time_ns = self._stamp(log_time_ns, message)
        try:
            self._append(time_ns, self._image(time_ns, message))
        except RecordingError as error:
            raise RecordingError(f'{self.topic} at {time_ns} ns: {error}') from error

    def at(self, time_ns: int) -> StepImage:
        """Return the newest image at or before a time.

        Raises:
            RecordingError: If it is older than the longest gap.
        """
        taken_ns, image = self._newest(time_ns)
        self._check_gap(taken_ns, time_ns, self._max_gap_ns)
        return image

    def _image(self, time_ns: int, message: Any) -> StepImage:
        if self._is_compressed:
            # What follows `compressed` is the order that the encoder took for BGR.
            return StepImage(time_ns, encoded=bytes(message.data),
                             is_swapped=message.format.endswith('compressed rgb8'))
        return StepImage(time_ns, pixels=self._decode(message))


class JointStream(_StampedStream):
    """Measured joints of one arm, by name. Measurements that cannot be true are left out.

    Attributes:
        num_refused: Measurements that were left out; the gap that they leave is checked.
    """

    def __init__(self, topic: str, arm: ArmSpec, *, max_gap_ns: int) -> None:
        super().__init__(topic, max_gap_ns=max_gap_ns)
        self._arm = arm
        self.num_refused = 0

    def add(self, log_time_ns: int, message: Any) -> None:
        time_ns = self._stamp(log_time_ns, message)
        try:
            self._append(time_ns, self._measured(message))
        except ObservationError:
            self.num_refused += 1

    def at(self, time_ns: int) -> MeasuredJoints:
        """Return the joints at a time, interpolated between the measurements around it.

        Raises:
            RecordingError: If those are farther apart than the longest gap.
        """
        before_ns, before = self._newest(time_ns)
        after_ns, after = next(
            (sample for sample in self._samples if sample[0] >= time_ns), self._samples[-1])
        self._check_gap(before_ns, after_ns, self._max_gap_ns)
        share = (time_ns - before_ns) / (after_ns - before_ns) if after_ns > before_ns else 0.0
        return MeasuredJoints(*(
            None if a is None or b is None else a + share * (b - a)
            for a, b in zip(before, after)))

    def _measured(self, message: Any) -> MeasuredJoints:
        arm, names = self._arm, message.name
        positions = joint_vector_from_state(arm, names, message.position)
        stroke_rad = arm.gripper.joint_open_rad - arm.gripper.joint_closed_rad
        velocities = motor_vector_from_state(arm, names, message.velocity)
        if velocities is not None:
            velocities[-1] /= stroke_rad
        return MeasuredJoints(
            positions, velocities, motor_vector_from_state(arm, names, message.effort))


class CommandStream(Stream):
    """Commands of the joints or of the gripper of one arm. They carry no stamp."""

    def __init__(self, topic: str, arm: ArmSpec, *, is_gripper: bool) -> None:
        super().__init__(topic)
        self._arm = arm
        self._is_gripper = is_gripper

    def add(self, log_time_ns: int, message: Any) -> None:
        self._append(log_time_ns, self._values(message))

    def at(self, time_ns: int) -> np.ndarray:
        """Return the command in force at a time."""
        return self._newest(time_ns)[1]

    def _values(self, message: Any) -> np.ndarray:
        target, size = (self._arm.gripper_joint, 1) if self._is_gripper else (
            'arm', len(self._arm.joint_names))
        values = np.atleast_1d(np.array(message.cmd, np.float64))
        if message.name != target or values.shape != (size,) or not np.isfinite(values).all():
            raise RecordingError(
                f'command on {self.topic} is {list(values)} for {message.name!r}; expected '
                f'{size} finite values for {target!r}')
        if self._is_gripper:
            return np.array([self._arm.gripper.opening_from_joint(values[0])])
        return values
