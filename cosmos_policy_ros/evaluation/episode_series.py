# SPDX-License-Identifier: Apache-2.0
"""What happened over time in an episode: joints, chunks, states; read in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cosmos_policy_ros.errors import ObservationError, RecordingError
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.plan_series import (
    plan_sample, PlanSample, prediction_error_sample, PredictionErrorSample)
from cosmos_policy_ros.recording.decode import decoded_messages, stamp_ns
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.robot.joint_state import joint_vector_from_state
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

_NS_PER_S = 1_000_000_000
_ARM_COUNTERS = ('ticks', 'late_ticks', 'chunks_accepted', 'chunks_rejected',
                 'late_actions_skipped', 'position_clamps', 'velocity_clamps')
# Episodes recorded before these were counted have none.
_LATER_COUNTERS = ('acceleration_clamps', 'gripper_clamps')


@dataclass(frozen=True, kw_only=True)
class JointTrack:
    """One joint over time. Times are log times in [s] since the start of the episode.

    Attributes:
        name: Name in the joint vector, for example `left_waist`.
        is_gripper: True for openings (0 closed to 1 open), False for angles in [rad].
        measured_times_s: Shape (N,).
        measured_stamps_s: Header stamps of the measurements, from the same start. Shape (N,).
        measured: Shape (N,).
        commanded_times_s: Shape (M,).
        commanded: Shape (M,).
    """

    name: str
    is_gripper: bool
    measured_times_s: np.ndarray
    measured_stamps_s: np.ndarray
    measured: np.ndarray
    commanded_times_s: np.ndarray
    commanded: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ChunkSample:
    """One answer of the policy.

    Attributes:
        stamp_s: Time of the observation in [s] since the start of the episode.
        latency_s: From that time to the reception of the chunk in [s].
        period_s: Spacing of the targets in [s].
        positions: Targets. Shape (K, A).
        value: Expected success, 0 to 1.
        policy: Name of the checkpoint or policy.
        is_trained: False for random weights.
        mode: How the chunk was chosen.
        stages_s: Stage to its wall time in [s].
    """

    stamp_s: float
    latency_s: float
    period_s: float
    positions: np.ndarray
    value: float
    policy: str
    is_trained: bool
    mode: str
    stages_s: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ArmSample:
    """State of the arm node.

    Attributes:
        time_s: Log time in [s] since the start of the episode.
        state: What the arms do.
        stop_reason: Why they hold; `none` while they may move.
        strategy: How chunks follow one another; empty if it was not recorded.
        counters: Name of each counter to its value.
    """

    time_s: float
    state: str
    stop_reason: str
    strategy: str
    counters: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class SimulationSample:
    """State of the simulation.

    Attributes:
        time_s: Log time in [s] since the start of the episode.
        is_success: Whether the task has been done since the last reset.
        stage: How far the task has come, in words.
    """

    time_s: float
    is_success: bool
    stage: str


@dataclass(frozen=True, kw_only=True)
class EpisodeSeries:
    """What happened over time in an episode.

    Attributes:
        start_ns: Log time of the first message in [ns].
        duration_s: From the first to the last message in [s].
        joints: One track for each entry of the joint vector.
        control_times_s: Times of the commands to the first arm in [s]. Shape (M,).
        chunks: Answers of the policy.
        plans: What planning did.
        prediction_errors: How wrong predictions were.
        arm_status: States of the arm node.
        simulation_status: States of the simulation.
        refused_samples: Measurements and commands that cannot be what they claim, left out.
    """

    start_ns: int
    duration_s: float
    joints: tuple[JointTrack, ...]
    control_times_s: np.ndarray
    chunks: tuple[ChunkSample, ...]
    plans: tuple[PlanSample, ...] = ()
    prediction_errors: tuple[PredictionErrorSample, ...] = ()
    arm_status: tuple[ArmSample, ...]
    simulation_status: tuple[SimulationSample, ...]
    refused_samples: int


class _Samples:
    """Rows of one topic, converted as they are read."""

    def __init__(self, start_ns: int, convert: Callable[[float, Any], Any]) -> None:
        self._start_ns = start_ns
        self._convert = convert
        self.times_s: list[float] = []
        self.rows: list[Any] = []
        self.refused = 0

    def add(self, log_time_ns: int, message: Any) -> None:
        time_s = (log_time_ns - self._start_ns) / _NS_PER_S
        try:
            row = self._convert(time_s, message)
        except ObservationError:
            self.refused += 1
        except AttributeError as error:
            raise RecordingError(
                f'message at {time_s:.3f} s was recorded with another definition: {error}'
            ) from error
        else:
            self.times_s.append(time_s)
            self.rows.append(row)

    def table(self, width: int) -> np.ndarray:
        """Return the rows as an array of shape (N, width)."""
        return np.array(self.rows, np.float64).reshape(-1, width)


def load_series(reader: EpisodeReader, robot: RobotSpec, topics: EpisodeTopics) -> EpisodeSeries:
    """Read what happened over time, without the images.

    Raises:
        RecordingError: If the episode is damaged or its messages have other definitions.
    """
    start_ns, end_ns = _span_ns(reader)
    present = [topic for topic in _converters(start_ns, robot, topics) if topic in reader.topics]
    return build_series(decoded_messages(reader, present), robot, topics, (start_ns, end_ns))


def build_series(
    messages: Iterable[tuple[str, int, Any]], robot: RobotSpec, topics: EpisodeTopics,
    span_ns: tuple[int, int],
) -> EpisodeSeries:
    """Return what happened over time according to messages.

    Args:
        messages: Topic, time in [ns] and message; of other topics than these they are left out.
        robot: The robot.
        topics: Which topic is what.
        span_ns: Times of the first and the last message in [ns].

    Raises:
        RecordingError: If messages have other definitions.
    """
    start_ns, end_ns = span_ns
    samples = {topic: _Samples(start_ns, convert)
               for topic, convert in _converters(start_ns, robot, topics).items()}
    for topic, time_ns, message in messages:
        if topic in samples:
            samples[topic].add(time_ns, message)
    return EpisodeSeries(
        start_ns=start_ns, duration_s=(end_ns - start_ns) / _NS_PER_S,
        joints=tuple(track for index in range(len(robot.arms))
                     for track in _joint_tracks(robot, index, topics, samples)),
        control_times_s=np.array(samples[topics.group_commands[robot.arms[0].name]].times_s),
        chunks=tuple(samples[topics.chunks].rows), plans=tuple(samples[topics.plans].rows),
        prediction_errors=tuple(samples[topics.prediction_errors].rows),
        arm_status=tuple(samples[topics.arm_status].rows),
        simulation_status=tuple(samples[topics.simulation_status].rows),
        refused_samples=sum(sample.refused for sample in samples.values()))


def arm_sample(time_s: float, message: Any) -> ArmSample:
    """Return the sample of an ArmStatus message of the present or an earlier definition."""
    later = [name for name in _LATER_COUNTERS if hasattr(message, name)]
    return ArmSample(
        time_s=time_s, state=message.state, stop_reason=message.stop_reason,
        strategy=getattr(message, 'strategy', ''),
        counters={name: getattr(message, name) for name in (*_ARM_COUNTERS, *later)})


def _span_ns(reader: EpisodeReader) -> tuple[int, int]:
    filled = [topic for topic in reader.topics.values() if topic.count]
    return (min((topic.first_ns for topic in filled), default=0),
            max((topic.last_ns for topic in filled), default=0))


def _converters(
    start_ns: int, robot: RobotSpec, topics: EpisodeTopics,
) -> dict[str, Callable[[float, Any], Any]]:
    converters: dict[str, Callable[[float, Any], Any]] = {
        topics.chunks: partial(_chunk, start_ns), topics.plans: partial(plan_sample, start_ns),
        topics.prediction_errors: partial(prediction_error_sample, start_ns),
        topics.arm_status: arm_sample, topics.simulation_status: _simulation_status}
    for arm in robot.arms:
        converters[topics.joint_states[arm.name]] = partial(_joint_row, start_ns, arm)
        converters[topics.group_commands[arm.name]] = partial(_group_row, arm)
        converters[topics.gripper_commands[arm.name]] = partial(_gripper_row, arm)
    return converters


def _joint_row(start_ns: int, arm: ArmSpec, time_s: float, message: Any) -> np.ndarray:
    vector = joint_vector_from_state(arm, message.name, message.position)
    return np.array([(stamp_ns(message) - start_ns) / _NS_PER_S, *vector])


def _group_row(arm: ArmSpec, time_s: float, message: Any) -> np.ndarray:
    return locked_array(f'{arm.name} command', message.cmd, dtype=np.float64,
                        shape=(len(arm.joint_names),), error=ObservationError)


def _gripper_row(arm: ArmSpec, time_s: float, message: Any) -> np.ndarray:
    if message.name != arm.gripper_joint:
        raise ObservationError(f'{arm.name}: command for {message.name!r}')
    return locked_array(
        f'{arm.name} gripper command', [arm.gripper.opening_from_joint(message.cmd)],
        dtype=np.float64, shape=(1,), error=ObservationError)


def _chunk(start_ns: int, time_s: float, message: Any) -> ChunkSample:
    size = (message.chunk_size, len(message.joint_names))
    if len(message.positions) != size[0] * size[1]:
        raise ObservationError(f'chunk of {size} has {len(message.positions)} targets')
    stamp_s = (stamp_ns(message) - start_ns) / _NS_PER_S
    return ChunkSample(
        stamp_s=stamp_s, latency_s=time_s - stamp_s, period_s=message.period_s,
        positions=np.array(message.positions).reshape(size),
        value=message.value, policy=message.policy, is_trained=message.is_trained,
        mode=message.mode,
        stages_s={timing.name: timing.duration_s for timing in message.timings})


def _simulation_status(time_s: float, message: Any) -> SimulationSample:
    return SimulationSample(time_s=time_s, is_success=message.success, stage=message.stage)


def _joint_tracks(
    robot: RobotSpec, arm_index: int, topics: EpisodeTopics, samples: dict[str, _Samples],
) -> list[JointTrack]:
    arm = robot.arms[arm_index]
    size = len(arm.joint_names)
    states = samples[topics.joint_states[arm.name]]
    stamps_s, *measured = states.table(size + 2).T
    group = samples[topics.group_commands[arm.name]]
    gripper = samples[topics.gripper_commands[arm.name]]
    commanded = [(group.times_s, values) for values in group.table(size).T]
    commanded.append((gripper.times_s, gripper.table(1)[:, 0]))
    return [JointTrack(
        name=name, is_gripper=index == size, measured_times_s=np.array(states.times_s),
        measured_stamps_s=stamps_s, measured=measured[index],
        commanded_times_s=np.array(commanded[index][0]), commanded=commanded[index][1])
        for index, name in enumerate(robot.joint_names[robot.arm_slice(arm_index)])]
