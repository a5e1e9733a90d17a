# SPDX-License-Identifier: Apache-2.0
"""An episode as steps at a steady rate: what training and every other data format work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cosmos_policy_ros.recording.episode import EpisodeMetadata
from cosmos_policy_ros.recording.step_image import StepImage

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What was seen and measured at one time, and what was commanded next.

    Joint vectors have the order of `spec.aloha.ALOHA.joint_names`, left arm first: arm joints in
    [rad], gripper openings 0 (closed) to 1 (open), not clipped.

    Attributes:
        index: Number of the step, from 0.
        time_ns: Time of the step in [ns].
        images: Camera to its newest image that is not newer than the step. An image that a later
            step shows again is the same object.
        positions: Measured joints. Shape (14,), float32.
        action: Command in force one period later: what a policy should answer with. Shape (14,),
            float32.
        velocities: Arm joints in [rad/s], grippers in [1/s]; None where they were not recorded.
            Shape (14,), float32.
        efforts: Motor currents in [mA]; None where they were not recorded. Shape (14,), float32.
    """

    index: int
    time_ns: int
    images: Mapping[str, StepImage]
    positions: np.ndarray
    action: np.ndarray
    velocities: np.ndarray | None = None
    efforts: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SteppedEpisode:
    """An episode that is read step by step; iterating again reads it again.

    Attributes:
        name: Name of the episode, for error texts and file names.
        metadata: Task, robot, who drove and how it ended.
        rate_hz: Steps per second.
        cameras: Names of the cameras of every step.
        read: Begins to read the steps.
        duration_s: Expected length in [s], for progress; None where nobody knows yet.
    """

    name: str
    metadata: EpisodeMetadata
    rate_hz: Fraction
    cameras: tuple[str, ...]
    read: Callable[[], Iterator[Step]]
    duration_s: float | None = None

    def __iter__(self) -> Iterator[Step]:
        """Iterate over the steps, reading as it goes."""
        return self.read()


def step_time_ns(start_ns: int, index: int, rate_hz: Fraction) -> int:
    """Return the time of a step in [ns], counted from the start and not from the step before."""
    return start_ns + index * NS_PER_S * rate_hz.denominator // rate_hz.numerator
