# SPDX-License-Identifier: Apache-2.0
"""Whether a recorded episode is fit for training: figures, limits, verdict with reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
import math

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.recording.stream_meter import StreamHealth, StreamKind


class Verdict(str, Enum):
    """What an episode is good for."""

    GOOD = 'good'
    USABLE = 'usable'
    BAD = 'bad'


@dataclass(frozen=True, kw_only=True)
class HealthLimits:
    """Limits of every figure as (good, usable): up to the first good, up to the second usable.

    Attributes:
        joint_gap_s: Longest time without joint states of an arm in [s].
        image_gap_s: Longest time without an image of a camera in [s].
        missing_rate: Share by which a stream's rate may fall short of the expected one.
        dropped: Share of messages missing between the stamps received.
        latency_s: Time from stamp to receipt that 95 of 100 messages stay below in [s].
        camera_skew_s: Time between images that belong together, 95 of 100, in [s].
        lost: Share of messages that came but that the disk was too slow for.
        joint_rate_hz: Expected rate of joint states in [Hz].
        image_rate_hz: Expected rate of images in [Hz].

    Raises:
        ConfigurationError: If a pair is not rising from 0 or more, or a rate not positive.
    """

    joint_gap_s: tuple[float, float] = (0.1, 0.3)
    image_gap_s: tuple[float, float] = (0.2, 0.5)
    missing_rate: tuple[float, float] = (0.1, 0.3)
    dropped: tuple[float, float] = (0.02, 0.1)
    latency_s: tuple[float, float] = (0.1, 0.3)
    camera_skew_s: tuple[float, float] = (0.05, 0.15)
    lost: tuple[float, float] = (0.0, 0.001)
    joint_rate_hz: float = 100.0
    image_rate_hz: float = 30.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name.endswith('rate_hz'):
                is_allowed = math.isfinite(value) and value > 0
            else:
                is_allowed = (len(value) == 2 and all(map(math.isfinite, value))
                              and 0 <= value[0] <= value[1])
            if not is_allowed:
                raise ConfigurationError(
                    f'health limit {item.name} is {value}; allowed is a rate above 0, or two '
                    'numbers from 0 on: good up to the first, usable up to the second')


@dataclass(frozen=True, kw_only=True)
class EpisodeHealth:
    """What was measured of an episode.

    Attributes:
        duration_s: Length in [s].
        bytes: Size of its file in [B].
        lost: Messages that the disk was too slow for.
        camera_skew_s: Time between images that belong together, 95 of 100, in [s].
        streams: Topic to its health.
        required: Topics that every episode must hold.
        problems: What went wrong, in words; any makes the episode bad.
    """

    duration_s: float
    bytes: int
    lost: int = 0
    camera_skew_s: float = 0.0
    streams: Mapping[str, StreamHealth] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Verdict on an episode.

    Attributes:
        verdict: The worst of all figures.
        reasons: Every figure that is not good, with its value and its limits; worst first.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def judge(health: EpisodeHealth, limits: HealthLimits) -> Judgement:
    """Return the verdict on an episode."""
    found = sorted(_findings(health, limits), key=lambda finding: finding[0] is Verdict.USABLE)
    verdict = found[0][0] if found else Verdict.GOOD
    return Judgement(verdict=verdict, reasons=tuple(text for _, text in found))


def _findings(health: EpisodeHealth, limits: HealthLimits) -> Iterator[tuple[Verdict, str]]:
    for problem in health.problems:
        yield Verdict.BAD, problem
    for topic in health.required:
        if topic not in health.streams or not health.streams[topic].messages:
            yield Verdict.BAD, f'{topic}: no message'
    for topic, stream in health.streams.items():
        if stream.messages and stream.kind is not StreamKind.OTHER:
            yield from _stream_findings(topic, stream, limits)
    messages = sum(stream.messages for stream in health.streams.values())
    lost = health.lost / max(messages + health.lost, 1)
    yield from _finding('messages lost before the disk', lost, limits.lost, '')
    yield from _finding('time between cameras', health.camera_skew_s, limits.camera_skew_s, ' s')


def _stream_findings(
    topic: str, stream: StreamHealth, limits: HealthLimits,
) -> Iterator[tuple[Verdict, str]]:
    is_image = stream.kind is StreamKind.IMAGE
    expected_hz = limits.image_rate_hz if is_image else limits.joint_rate_hz
    gap_s = limits.image_gap_s if is_image else limits.joint_gap_s
    yield from _finding(f'{topic}: longest gap', stream.max_gap_s, gap_s, ' s')
    yield from _finding(
        f'{topic}: {stream.rate_hz:.1f} of {expected_hz:g} Hz, short by',
        max(0.0, 1 - stream.rate_hz / expected_hz), limits.missing_rate, '')
    yield from _finding(f'{topic}: share dropped by its stamps',
                        stream.dropped / (stream.messages + stream.dropped), limits.dropped, '')
    # Images and joints are placed by their stamps, commands by the recorder's clock.
    what = 'latency' if stream.latency_s >= 0 else "stamps ahead of the recorder's clock by"
    yield from _finding(f'{topic}: {what}', abs(stream.latency_s), limits.latency_s, ' s')
    if stream.backward:
        yield Verdict.BAD, f'{topic}: {stream.backward} stamps go backwards'


def _finding(
    what: str, value: float, limits: tuple[float, float], unit: str,
) -> Iterator[tuple[Verdict, str]]:
    good, usable = limits
    if not value <= good:
        verdict = Verdict.USABLE if value <= usable else Verdict.BAD
        yield verdict, f'{what} {value:.3g}{unit} (good to {good:g}, usable to {usable:g})'
