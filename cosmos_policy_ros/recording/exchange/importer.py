# SPDX-License-Identifier: Apache-2.0
"""What the imports of all data formats share: options, and rows that become steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel, Outcome
from cosmos_policy_ros.recording.step import Step, step_time_ns
from cosmos_policy_ros.recording.step_image import StepImage

Images = Iterator[Mapping[str, StepImage]]


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a file may not say itself.

    Attributes:
        rate_hz: Steps per second; None for what the file says, or the format's usual rate.
        task: Text of the task where a file has none; empty for none.
        joint_order: `auto`, `left_first` or `right_first`, see `joint_indices`.
        swap_red_blue: Exchange red and blue of the images.
        are_demonstrations: Whether a person did the task in them, and succeeded.
    """

    rate_hz: float | None = None
    task: str = ''
    joint_order: str = 'auto'
    swap_red_blue: bool = False
    are_demonstrations: bool = False

    @property
    def mode(self) -> str:
        """Who drove, where a file does not say it."""
        return 'teleoperation' if self.are_demonstrations else 'imported'

    @property
    def label(self) -> EpisodeLabel:
        """How an episode ended, where a file does not say it."""
        return (EpisodeLabel(outcome=Outcome.SUCCESS, score=1.0) if self.are_demonstrations
                else EpisodeLabel())


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorRows:
    """The joint vectors of an episode in our order, each of shape (T, 14), float32."""

    positions: np.ndarray
    action: np.ndarray
    velocities: np.ndarray | None = None
    efforts: np.ndarray | None = None

    def steps(self, images: Images, start_ns: int, rate_hz: Fraction) -> Iterator[Step]:
        """Join rows and images, one of each per step."""
        for index, shown in enumerate(images):
            yield Step(
                index=index, time_ns=step_time_ns(start_ns, index, rate_hz), images=shown,
                positions=self.positions[index], action=self.action[index],
                velocities=None if self.velocities is None else self.velocities[index],
                efforts=None if self.efforts is None else self.efforts[index])


def choose_rate(
    stated_hz: float | None, options: ImportOptions, usual_hz: float, place: str,
) -> Fraction:
    """Return the rate of an episode.

    Raises:
        RecordingError: If the file states one and the options another, or it is not positive.
    """
    if stated_hz is not None and options.rate_hz is not None and stated_hz != options.rate_hz:
        raise RecordingError(
            f'{place} is {stated_hz} Hz, but {options.rate_hz} Hz were asked for')
    rate_hz = next(rate for rate in (stated_hz, options.rate_hz, usual_hz) if rate is not None)
    if not 0.0 < rate_hz < 1e4:
        raise RecordingError(f'{place} is {rate_hz} Hz; it must be positive')
    return Fraction(rate_hz).limit_denominator(1000)


def choose_task(stated: str, options: ImportOptions, place: str) -> str:
    """Return the task of an episode.

    Raises:
        RecordingError: If nobody names one.
    """
    task = stated or options.task
    if not task:
        raise RecordingError(f'{place} names no task; give one by --task')
    return task
