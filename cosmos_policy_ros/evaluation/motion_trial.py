# SPDX-License-Identifier: Apache-2.0
"""How smoothly the arms move at a strategy and a latency, in virtual time.

Query schedule, chunk executor, arm controller and emulated driver are those of the robot; only
clock, transport and the chunks are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.evaluation.episode_series import (
    ArmSample, ChunkSample, EpisodeSeries, JointTrack)
from cosmos_policy_ros.evaluation.motion_chunks import ChunkSource
from cosmos_policy_ros.evaluation.motion_figures import CONTROL_PERIOD_S, motion_figures
from cosmos_policy_ros.evaluation.virtual_robot import START_NS, VirtualRobot
from cosmos_policy_ros.robot.committed_motion import CommittedMotion
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings, Strategy
from cosmos_policy_ros.robot.query_schedule import QuerySchedule
from cosmos_policy_ros.robot.run_state import RunState
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.simulation.xs_joint_states import JointStates
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

# A motion that pauses all the time takes longer; one that never ends is cut off.
LONGEST_S = 90.0
ENDLESS_S = 20.0
# The task is done a little after the last action.
REST_S = 1.0


@dataclass(frozen=True, kw_only=True)
class MotionTrial:
    """What one motion was like.

    Attributes:
        strategy: How chunks followed one another.
        latency_s: From an observation to the receipt of its chunk in [s].
        seed: Seed of scene and chunks.
        duration_s: Virtual time in [s].
        chunks: Chunks received.
        rejected: Those of them that were refused.
        idle_share: Share of the time without motion, from the first to the last chunk received.
        takeover: 99th percentiles of the largest change from one command to the next while a
            chunk takes over, of position in [rad] and of speed in [rad/s]; None if none met
            moving arms.
        inside: The same of all other commands while moving; None if there are none.
        disagreement_rad: Median distance of the old and the new chunk at takeovers in [rad]; None
            if no two overlapped.
        jerk_rms: Root mean square of the third difference of the commands, of the worst arm joint,
            in [rad/s^3].
        is_success: Whether the task was done.
        series: What happened.
    """

    strategy: Strategy
    latency_s: float
    seed: int
    duration_s: float
    chunks: int
    rejected: int
    idle_share: float | None
    takeover: tuple[float, float] | None
    inside: tuple[float, float] | None
    disagreement_rad: float | None
    jerk_rms: float | None
    is_success: bool
    series: EpisodeSeries


def run_trial(
    robot: RobotSpec, source: ChunkSource, strategy: Strategy, latency_s: float, seed: int,
) -> MotionTrial:
    """Let the arms move along the chunks of a source until the motion or the patience ends."""
    trial = _Trial(robot, source, strategy, latency_s, seed)
    trial.run()
    return trial.describe()


class _Trial:
    """The state of one run; listens to the robot's commands."""

    def __init__(self, robot: RobotSpec, source: ChunkSource, strategy: Strategy,
                 latency_s: float, seed: int) -> None:
        motion = MotionSettings(strategy=strategy)
        self._spec, self._source, self._strategy = robot, source, strategy
        self._latency_s, self._seed = latency_s, seed
        self._robot = VirtualRobot(robot, TransferCube.name, motion=motion)
        self._schedule = QuerySchedule(QuerySettings(strategy=strategy))
        self._committed = CommittedMotion(robot, motion)
        self._pending: tuple[int, ActionChunk, np.ndarray] | None = None
        self._next_query_ns = START_NS
        self._moved_s = 0.0
        self._commands: list[JointCommand] = []
        self._states: list[ArmSample] = []
        self._chunks: list[ChunkSample] = []
        self._rejected = 0

    def run(self) -> None:
        self._robot.reset(self._seed, listeners=(self,))
        length_s = self._source.begin(self._robot, self._seed)
        while not self._is_over(length_s):
            if self._pending is not None and self._robot.now_ns >= self._pending[0]:
                self._receive(*self._pending[1:])
            if self._pending is None and self._robot.now_ns >= self._next_query_ns:
                self._query()
            self._robot.advance()

    def on_joint_states(self, arm: ArmSpec, states: JointStates, now_ns: int) -> None:
        """Ignore what is measured."""

    def on_command(self, command: JointCommand) -> None:
        """Take a command and the state that it was given in."""
        status = self._robot.controller.status(command.stamp_ns)
        self._moved_s += CONTROL_PERIOD_S * (status.state is RunState.MOVING)
        self._commands.append(command)
        self._states.append(ArmSample(
            time_s=_seconds(command.stamp_ns), state=status.state.value,
            stop_reason=status.reason.value, strategy=self._strategy.value, counters={}))

    def describe(self) -> MotionTrial:
        series = self._series()
        figures = motion_figures(series)
        return MotionTrial(
            strategy=self._strategy, latency_s=self._latency_s, seed=self._seed,
            duration_s=series.duration_s, chunks=figures.chunks, rejected=self._rejected,
            idle_share=figures.idle_share, takeover=figures.takeover, inside=figures.inside,
            disagreement_rad=figures.disagreement_rad, jerk_rms=figures.jerk_rms,
            is_success=self._robot.status.is_success, series=series)

    def _is_over(self, length_s: float | None) -> bool:
        elapsed_s = _seconds(self._robot.now_ns)
        if self._robot.controller.status(self._robot.now_ns).is_fault or elapsed_s > LONGEST_S:
            return True
        if self._robot.status.is_success:
            return True
        return (elapsed_s > ENDLESS_S if length_s is None
                else self._moved_s > length_s + REST_S)

    def _query(self) -> None:
        now_ns = self._robot.now_ns
        proprio = np.concatenate(
            [self._robot.samples[arm.name].positions for arm in self._spec.arms])
        chunk = ActionChunk(
            positions=self._source.positions(
                self._robot, self._moved_s, self._committed_actions(proprio)),
            stamp_ns=now_ns, period_ns=round(CHUNK_PERIOD_S * NS_PER_S))
        self._pending = now_ns + round(self._latency_s * NS_PER_S), chunk, proprio

    def _committed_actions(self, proprio: np.ndarray) -> np.ndarray | None:
        latency_s = self._schedule.expected_latency_s
        if self._strategy is not Strategy.PREFIX_CONDITIONED or latency_s is None:
            return None
        now_ns = self._robot.now_ns
        return self._committed.actions(proprio, now_ns, now_ns + round(latency_s * NS_PER_S))

    def _receive(self, chunk: ActionChunk, proprio: np.ndarray) -> None:
        now_ns, self._pending = self._robot.now_ns, None
        latency_s = (now_ns - chunk.stamp_ns) / NS_PER_S
        self._schedule.add_latency(latency_s)
        self._next_query_ns = self._schedule.due_ns(chunk, now_ns)
        self._committed.add(chunk, now_ns, proprio)
        self._rejected += not self._robot.submit(chunk).is_accepted
        self._chunks.append(ChunkSample(
            stamp_s=_seconds(chunk.stamp_ns), latency_s=latency_s, period_s=CHUNK_PERIOD_S,
            positions=chunk.positions, value=0.0, policy='', is_trained=True, mode='',
            stages_s={}))

    def _series(self) -> EpisodeSeries:
        times_s = np.array([_seconds(command.stamp_ns) for command in self._commands])
        positions = np.array([command.positions for command in self._commands])
        nothing = np.empty(0)
        return EpisodeSeries(
            start_ns=START_NS, duration_s=_seconds(self._robot.now_ns), control_times_s=times_s,
            joints=tuple(JointTrack(
                name=name, is_gripper=index in self._spec.gripper_indices,
                measured_times_s=nothing, measured_stamps_s=nothing, measured=nothing,
                commanded_times_s=times_s, commanded=positions[:, index])
                for index, name in enumerate(self._spec.joint_names)),
            chunks=tuple(self._chunks), arm_status=tuple(self._states), simulation_status=(),
            refused_samples=0)


def _seconds(time_ns: int) -> float:
    return (time_ns - START_NS) / NS_PER_S
