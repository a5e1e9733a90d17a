# SPDX-License-Identifier: Apache-2.0
"""Recorded messages to steps at the rate of training. Exports and training both read this.

    reader = EpisodeReader(path)
    preset = load_preset(reader.metadata.robot)
    for step in resample(reader, preset.robot, preset.names):
        step.images['cam_high'].pixels, step.positions, step.action

Everything is placed by the time it was true at, never by its number:

- images: the newest whose header stamp is not newer than the step,
- measured joints: interpolated between the header stamps around the step, by joint name,
- action: the command in force one period after the step. Driver commands carry no stamp, so it is
  the last one that was received by then.

The first step is at the first time at which all of these are known, the last where one ends.
Images are read as they are needed; memory does not grow with the length of the episode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.decode import decoded_messages
from cosmos_policy_ros.recording.image_encoding import stored_names
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.step import NS_PER_S, Step, step_time_ns, SteppedEpisode
from cosmos_policy_ros.recording.step_streams import (
    CommandStream, ImageStream, JointStream, Stream)
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

# Images that wait for a stream without messages are dropped after this time.
_START_WAIT_NS = NS_PER_S


@dataclass(frozen=True, kw_only=True)
class ResampleSettings:
    """How an episode becomes steps.

    Attributes:
        rate_hz: Steps per second.
        cameras: Cameras of every step; all that were recorded if empty.
        max_gap_s: An image may be older than its step, and two measurements be apart, by this in
            [s]; longer gaps are refused.
        max_late_start_s: Images and measurements may begin later than the commands by this in [s].

    Raises:
        RecordingError: If the rate or a limit is not positive.
    """

    rate_hz: float = 25.0
    cameras: tuple[str, ...] = ()
    max_gap_s: float = 0.5
    max_late_start_s: float = 2.0

    def __post_init__(self) -> None:
        for name in ('rate_hz', 'max_gap_s', 'max_late_start_s'):
            if not 0.0 < getattr(self, name) < float('inf'):
                raise RecordingError(f'{name} is {getattr(self, name)}; it must be positive')


def resample(
    reader: EpisodeReader, robot: RobotSpec, names: Mapping[str, str],
    settings: ResampleSettings = ResampleSettings(),
) -> SteppedEpisode:
    """Return an episode as steps; nothing but its index is read before somebody iterates.

    Args:
        reader: The episode.
        robot: The robot that it was recorded with. Vectors are left first whatever its order.
        names: Names inside our nodes (`follower_left/joint_states`, `cam_high/image`, ...) to
            those of the robot, as its configuration lists them.
        settings: Rate, cameras and limits.

    Raises:
        RecordingError: If a topic or camera is missing. While iterating: if a stream has a gap,
            goes back in time or holds what cannot be used, or a part of the file is damaged. The
            text names episode, topic and time.
    """
    cameras = _camera_topics(reader, robot, names, settings.cameras)
    _check_arm_topics(reader, robot, names)
    lengths_s = [(topic.last_ns - topic.first_ns) / NS_PER_S
                 for topic in (reader.topics[name] for name in cameras.values())]
    return SteppedEpisode(
        name=reader.path.name, metadata=reader.metadata,
        rate_hz=Fraction(settings.rate_hz).limit_denominator(1000), cameras=tuple(cameras),
        read=lambda: _Resampler(reader, robot, names, cameras, settings).steps(),
        duration_s=min(lengths_s))


def _camera_topics(
    reader: EpisodeReader, robot: RobotSpec, names: Mapping[str, str], wanted: tuple[str, ...],
) -> dict[str, str]:
    """Camera to the topic that holds its images."""
    counts = {name: topic.count for name, topic in reader.topics.items()}
    found = {}
    for camera in wanted or [camera.name for camera in robot.cameras]:
        raw = names.get(f'{camera}/image', '')
        # Single images that could not be encoded lie beside the others, as they came.
        topic = max(stored_names(raw), key=lambda name: counts.get(name, 0))
        if counts.get(topic):
            found[camera] = topic
        elif wanted:
            raise RecordingError(f'episode {reader.path} has no images of camera {camera!r}: '
                                 f'nothing on {raw or "any topic"}, raw or compressed')
    if not found:
        raise RecordingError(
            f'episode {reader.path} has no camera images; robot {robot.name!r} has '
            f'{", ".join(camera.name for camera in robot.cameras)}')
    return found


def _check_arm_topics(
    reader: EpisodeReader, robot: RobotSpec, names: Mapping[str, str],
) -> None:
    for arm in robot.arms:
        for key in ('joint_states', 'commands/joint_group', 'commands/joint_single'):
            topic = names[f'{arm.name}/{key}']
            if not _is_filled(reader, topic):
                raise RecordingError(f'episode {reader.path} has no messages on {topic}; without '
                                     'measured joints and commands there are no steps')


def _is_filled(reader: EpisodeReader, topic: str) -> bool:
    return topic in reader.topics and reader.topics[topic].count > 0


class _Resampler:
    """One reading of an episode."""

    def __init__(
        self, reader: EpisodeReader, robot: RobotSpec, names: Mapping[str, str],
        cameras: Mapping[str, str], settings: ResampleSettings,
    ) -> None:
        self._reader = reader
        self._rate_hz = Fraction(settings.rate_hz).limit_denominator(1000)
        self._period_ns = int(NS_PER_S / self._rate_hz)
        self._max_late_start_ns = int(settings.max_late_start_s * NS_PER_S)
        limits = {'max_gap_ns': int(settings.max_gap_s * NS_PER_S)}
        self._images = {camera: ImageStream(topic, reader.topics[topic].type_name, **limits)
                        for camera, topic in cameras.items()}
        self._arms = _in_vector_order(robot)
        self._joints = [JointStream(names[f'{arm.name}/joint_states'], arm, **limits)
                        for arm in self._arms]
        self._commands = [CommandStream(
            names[f'{arm.name}/commands/{kind}'], arm, is_gripper=kind == 'joint_single')
            for arm in self._arms for kind in ('joint_group', 'joint_single')]
        self._sensors: list[Stream] = [*self._images.values(), *self._joints]

    def steps(self) -> Iterator[Step]:
        streams: dict[str, Stream] = {
            stream.topic: stream for stream in (*self._sensors, *self._commands)}
        start_ns, index, log_time_ns = None, 0, 0
        try:
            for topic, log_time_ns, message in decoded_messages(self._reader, list(streams)):
                streams[topic].add(log_time_ns, message)
                if start_ns is None:
                    start_ns = self._find_start(log_time_ns)
                    continue
                self._check_alive(log_time_ns)
                while self._is_known(time_ns := self._time(start_ns, index), log_time_ns):
                    yield self._step(index, time_ns)
                    index += 1
            last_ns = min(stream.last_ns or 0 for stream in streams.values())
            while start_ns is not None and (time_ns := self._time(start_ns, index)) <= last_ns:
                yield self._step(index, time_ns)
                index += 1
        except RecordingError as error:
            raise RecordingError(f'episode {self._reader.path}: {error}') from error
        if index == 0:
            raise RecordingError(f'episode {self._reader.path} has no step: its images, '
                                 'measurements and commands never overlap')

    def _find_start(self, log_time_ns: int) -> int | None:
        """Time of the first step once it is known; until then forgets what cannot be in it."""
        streams = (*self._sensors, *self._commands)
        if any(stream.oldest_ns is None for stream in streams):
            self._drop_before(log_time_ns - _START_WAIT_NS)
            return None
        last = max(self._sensors, key=lambda stream: stream.first_ns)
        late_ns = last.first_ns - max(stream.first_ns for stream in self._commands)
        if late_ns > self._max_late_start_ns:
            raise RecordingError(
                f'{last.topic} begins {late_ns / NS_PER_S:.2f} s after the commands; allowed is '
                f'{self._max_late_start_ns / NS_PER_S} s')
        return max(*(stream.oldest_ns for stream in self._sensors),
                   *(stream.oldest_ns - self._period_ns for stream in self._commands))

    def _time(self, start_ns: int, index: int) -> int:
        return step_time_ns(start_ns, index, self._rate_hz)

    def _is_known(self, time_ns: int, log_time_ns: int) -> bool:
        """Whether nothing that is still to come can change the step at a time."""
        return (log_time_ns > time_ns + self._period_ns
                and all(stream.last_ns >= time_ns for stream in self._sensors))

    def _check_alive(self, log_time_ns: int) -> None:
        for stream in self._sensors:
            stream.check_alive(log_time_ns)

    def _drop_before(self, time_ns: int) -> None:
        for stream in (*self._sensors, *self._commands):
            stream.drop_before(time_ns)

    def _step(self, index: int, time_ns: int) -> Step:
        measured = [stream.at(time_ns) for stream in self._joints]
        step = Step(
            index=index, time_ns=time_ns,
            images={camera: stream.at(time_ns) for camera, stream in self._images.items()},
            action=_vector([stream.at(time_ns + self._period_ns) for stream in self._commands]),
            **{name: _vector([getattr(sample, name) for sample in measured])
               for name in ('positions', 'velocities', 'efforts')})
        self._drop_before(time_ns)
        return step


def _in_vector_order(robot: RobotSpec) -> list[ArmSpec]:
    by_side = {arm.side: arm for arm in robot.arms}
    return [by_side[arm.side] for arm in ALOHA.arms]


def _vector(parts: list[np.ndarray | None]) -> np.ndarray | None:
    if any(part is None for part in parts):
        return None
    vector = np.concatenate(parts).astype(np.float32)
    vector.setflags(write=False)
    return vector
