# SPDX-License-Identifier: Apache-2.0
"""The measured joints of all arms: newest samples, and what is wrong with them."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.robot.stream_buffer import StreamBuffer
from cosmos_policy_ros.spec.robot import RobotSpec


class JointStreams:
    """The newest joint sample of every arm. Its owner holds the lock."""

    def __init__(
        self, robot: RobotSpec, *, max_age_s: float, future_tolerance_s: float,
    ) -> None:
        """Create empty streams whose samples may be used for `max_age_s`."""
        self._arms = robot.arms
        self._sizes = {arm.name: len(arm.joint_names) + 1 for arm in robot.arms}
        self._buffers: dict[str, StreamBuffer[JointSample]] = {
            name: StreamBuffer(future_tolerance_s=future_tolerance_s) for name in self._sizes}
        self._max_age_s = max_age_s
        self._refusals: dict[str, str] = {}

    @property
    def positions(self) -> np.ndarray | None:
        """Newest measured joint vector, shape (A,); None until every arm reported."""
        samples = [buffer.newest for buffer in self._buffers.values()]
        if None in samples:
            return None
        return np.concatenate([sample.value.positions for sample in samples])

    def newest(self, arm_name: str) -> JointSample | None:
        """Newest measurement of an arm; None until it reported."""
        sample = self._buffer(arm_name).newest
        return None if sample is None else sample.value

    @property
    def holding_positions(self) -> np.ndarray | None:
        """Joint vector that commands the measured pose, shape (A,); None as for `positions`.

        A gripper is observed by its finger and commanded by its motor; the two calibrations need
        not agree, so the motor's angle tells the opening to command, where it was reported.
        """
        positions = self.positions
        if positions is None:
            return None
        end = 0
        for arm in self._arms:
            end += self._sizes[arm.name]
            angle_rad = self._buffers[arm.name].newest.value.gripper_angle_rad
            if angle_rad is not None:
                positions[end - 1] = arm.gripper.opening_from_joint(angle_rad)
        return positions

    @property
    def oldest_stamp_ns(self) -> int | None:
        """Oldest of the newest stamps in [ns]; None until every arm reported."""
        samples = [buffer.newest for buffer in self._buffers.values()]
        return None if None in samples else min(sample.stamp_ns for sample in samples)

    def age_s(self, now_ns: int) -> float | None:
        """Age of the arm heard longest ago in [s]; None until every arm reported."""
        oldest_ns = self.oldest_stamp_ns
        return None if oldest_ns is None else (now_ns - oldest_ns) / NS_PER_S

    def update(self, arm_name: str, sample: JointSample, received_ns: int) -> None:
        """Take a plausible sample.

        Raises:
            ConfigurationError: If the robot has no such arm.
            ObservationError: If the sample has the wrong number of joints.
        """
        buffer = self._buffer(arm_name)
        if len(sample.positions) != self._sizes[arm_name]:
            raise ObservationError(
                f'{arm_name}: sample of {len(sample.positions)} joints, '
                f'expected {self._sizes[arm_name]}')
        if buffer.push(sample, sample.stamp_ns, received_ns):
            self._refusals.pop(arm_name, None)

    def refuse(self, arm_name: str, detail: str) -> None:
        """Note that the arm reported something that is no measurement, and why.

        Raises:
            ConfigurationError: If the robot has no such arm.
        """
        self._buffer(arm_name)
        self._refusals[arm_name] = detail

    def problems(self, now_ns: int) -> list[Problem]:
        """Say which arms have no usable sample at `now_ns`, and why."""
        problems = []
        for arm_name, buffer in self._buffers.items():
            text = buffer.problem(now_ns, max_age_s=self._max_age_s)
            if text is not None:
                problems.append(self._problem(arm_name, text))
        return problems

    def _problem(self, arm_name: str, text: str) -> Problem:
        if arm_name in self._refusals:
            return Problem(
                reason=StopReason.JOINT_STATES_IMPLAUSIBLE,
                text=f'{arm_name} joints: {text}, last refused: {self._refusals[arm_name]}')
        is_missing = self._buffers[arm_name].newest is None
        return Problem(
            reason=(StopReason.JOINT_STATES_MISSING if is_missing
                    else StopReason.JOINT_STATES_STALE),
            text=f'{arm_name} joints: {text}')

    def _buffer(self, arm_name: str) -> StreamBuffer[JointSample]:
        if arm_name not in self._buffers:
            raise ConfigurationError(
                f'unknown arm {arm_name!r}; the robot has {", ".join(self._buffers)}')
        return self._buffers[arm_name]
