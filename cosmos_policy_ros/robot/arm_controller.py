# SPDX-License-Identifier: Apache-2.0
"""Both arms as one state machine: follow chunks within limits, hold on any fault."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

import numpy as np

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.arm_status import ArmCounters, ArmStatus
from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor, ChunkReceipt, ChunkRejection
from cosmos_policy_ros.robot.following_error import FollowingErrorWatch
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.joint_streams import JointStreams
from cosmos_policy_ros.robot.run_state import RunState, StopReason
from cosmos_policy_ros.robot.safety import largest_gap, limit_target, SafetyLimits
from cosmos_policy_ros.robot.settings import ArmSettings, NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.robot import RobotSpec

LATE_TICK_PERIODS = 1.5


class ArmController:
    """Decides the command of every control tick. Thread-safe.

    Inactive until started; then waiting for a chunk, moving along it, or holding after a stop. A
    hold is the pose measured at the moment of stopping. While holding and waiting it may lie
    outside the position limits, so that a stop is never a motion.
    """

    def __init__(self, robot: RobotSpec, settings: ArmSettings) -> None:
        """Create an inactive controller.

        Raises:
            ConfigurationError: If the settings do not fit the robot.
        """
        self._settings = settings
        self._limits = SafetyLimits.from_robot(
            robot, position_margin_rad=settings.position_margin_rad,
            velocity_scale=settings.velocity_scale)
        self._joints = JointStreams(
            robot, max_age_s=settings.max_joint_age_s,
            future_tolerance_s=settings.future_tolerance_s)
        self._executor = ChunkExecutor(robot)
        self._following = FollowingErrorWatch(
            self._limits, max_error_rad=settings.max_following_error_rad,
            time_s=settings.following_error_time_s)
        self._lock = Lock()
        self._counters = ArmCounters()
        self._started_ns: int | None = None
        self._go_inactive(StopReason.NOT_STARTED)

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

        The arms stop when no plausible sample follows within the allowed age.

        Raises:
            ConfigurationError: If the robot has no such arm.
        """
        with self._lock:
            self._joints.refuse(arm_name, detail)

    def start(self, now_ns: int) -> None:
        """Hold the measured pose and wait for a chunk; does nothing if started already.

        Raises:
            RobotError: If an arm's joints are missing, stale or implausible.
        """
        with self._lock:
            if self._is_started:
                return
            problems = self._joints.problems(now_ns)
            if problems:
                raise RobotError(
                    'cannot start: ' + '; '.join(problem.text for problem in problems))
            self._started_ns = now_ns
            self._hold_as(
                RunState.WAITING, StopReason.CHUNK_MISSING, 'no chunk since the start', now_ns)
            # The arms may have been moved since the last command.
            self._last_command = self._hold

    def stop(self, reason: StopReason, now_ns: int, detail: str = '') -> None:
        """Hold the pose measured last. The first reason stays until the next start."""
        with self._lock:
            self._stop(reason, detail, now_ns)

    def deactivate(self, now_ns: int) -> JointCommand | None:
        """Stop and go inactive.

        Returns:
            The command to publish before falling silent; None if there was none before.
        """
        with self._lock:
            self._stop(StopReason.DEACTIVATED, '', now_ns)
            is_inactive = self._state is RunState.INACTIVE
            command = None if is_inactive else self._tick(now_ns)
            self._go_inactive(StopReason.DEACTIVATED, now_ns)
            return command

    def submit(self, chunk: ActionChunk, now_ns: int) -> ChunkReceipt:
        """Take a chunk, or say why not.

        A chunk is refused while not started, and if its observation is older than the start.
        """
        with self._lock:
            receipt = self._receive(chunk, now_ns)
            if receipt.is_accepted:
                self._count(chunks_accepted=1, late_actions=receipt.num_late)
            else:
                self._count(chunks_rejected=1)
                if self._state is RunState.WAITING:
                    self._reason, self._detail = StopReason.CHUNK_REJECTED, receipt.detail
            return receipt

    def command_at(self, now_ns: int) -> JointCommand | None:
        """Return the command of this control tick; None means publish nothing."""
        with self._lock:
            return None if self._state is RunState.INACTIVE else self._tick(now_ns)

    def status(self, now_ns: int) -> ArmStatus:
        """Return state, reason, poses and counters."""
        with self._lock:
            return ArmStatus(
                state=self._state, reason=self._reason, detail=self._detail,
                since_ns=self._since_ns, target=self._last_command,
                measured=self._joints.positions, joint_age_s=self._joints.age_s(now_ns),
                counters=self._counters)

    @property
    def _is_started(self) -> bool:
        return self._state in (RunState.WAITING, RunState.MOVING)

    def _enter(
        self, state: RunState, reason: StopReason, detail: str, now_ns: int | None,
    ) -> None:
        self._state, self._reason, self._detail = state, reason, detail
        self._since_ns = now_ns
        self._is_soft_start = False

    def _go_inactive(self, reason: StopReason, now_ns: int | None = None) -> None:
        self._enter(RunState.INACTIVE, reason, '', now_ns)
        self._hold: np.ndarray | None = None
        self._last_command: np.ndarray | None = None
        self._last_tick_ns: int | None = None

    def _stop(self, reason: StopReason, detail: str, now_ns: int) -> None:
        if self._is_started:
            self._executor.clear()
            self._hold_as(RunState.HOLDING, reason, detail, now_ns)
        elif self._state is RunState.INACTIVE:
            self._enter(RunState.INACTIVE, reason, detail, now_ns)

    def _hold_as(self, state: RunState, reason: StopReason, detail: str, now_ns: int) -> None:
        self._enter(state, reason, detail, now_ns)
        self._capture_hold()

    def _capture_hold(self) -> None:
        measured = self._joints.holding_positions
        # The opening commanded last goes on holding an object that the measured one would drop.
        openings = measured if self._last_command is None else self._last_command
        self._hold = np.where(
            self._limits.is_arm_joint, measured, self._limits.clip(openings))

    def _receive(self, chunk: ActionChunk, now_ns: int) -> ChunkReceipt:
        if not self._is_started:
            return ChunkReceipt(
                rejection=ChunkRejection.NOT_STARTED,
                detail=f'the arms are {self._state.value}: {self._reason.value}')
        if chunk.stamp_ns < self._started_ns:
            behind_s = (self._started_ns - chunk.stamp_ns) / NS_PER_S
            return ChunkReceipt(
                rejection=ChunkRejection.BEFORE_START,
                detail=f'its observation is {behind_s:.3f} s older than the start')
        return self._executor.submit(chunk, now_ns, self._last_command)

    def _tick(self, now_ns: int) -> JointCommand:
        dt_s = self._measure_tick(now_ns)
        self._check_joints(now_ns)
        target = self._choose_target(now_ns)
        return JointCommand(positions=self._limit(target, dt_s), stamp_ns=now_ns)

    def _measure_tick(self, now_ns: int) -> float:
        """Return for how long in [s] this command may move, counting late ticks."""
        period_s = 1 / self._settings.control_rate_hz
        last_ns, self._last_tick_ns = self._last_tick_ns, now_ns
        elapsed_s = period_s if last_ns is None else (now_ns - last_ns) / NS_PER_S
        is_late = elapsed_s > LATE_TICK_PERIODS * period_s
        self._count(ticks=1, late_ticks=int(is_late))
        if elapsed_s < 0:
            self._stop(StopReason.CLOCK_WENT_BACK,
                       f'the clock went back by {-elapsed_s:.3f} s', now_ns)
        return min(max(elapsed_s, 0.0), LATE_TICK_PERIODS * period_s)

    def _check_joints(self, now_ns: int) -> None:
        problems = self._joints.problems(now_ns)
        if problems:
            self._stop(problems[0].reason, '; '.join(problem.text for problem in problems),
                       now_ns)
            return
        error = self._following.update(self._last_command, self._joints.positions, now_ns)
        if error is None:
            return
        self._stop(StopReason.FOLLOWING_ERROR, error, now_ns)
        # Arms moved while holding must not spring back when whatever moved them lets go.
        self._capture_hold()

    def _choose_target(self, now_ns: int) -> np.ndarray:
        target = self._executor.target_at(now_ns)
        if target is None and self._state is RunState.MOVING:
            self._hold_as(
                RunState.WAITING, StopReason.CHUNK_MISSING, 'the chunk ran out', now_ns)
        elif target is not None and self._state is RunState.WAITING:
            self._begin_moving(now_ns)
        return target if self._state is RunState.MOVING else self._hold

    def _begin_moving(self, now_ns: int) -> None:
        first = self._limits.clip(self._executor.next_action(now_ns))
        joint, gap_rad = largest_gap(first, self._joints.positions, self._limits)
        if gap_rad > self._settings.refused_start_gap_rad:
            self._stop(
                StopReason.START_GAP,
                f'{joint} is {gap_rad:.3f} rad away from the first action '
                f'(limit {self._settings.refused_start_gap_rad} rad)', now_ns)
            return
        self._enter(RunState.MOVING, StopReason.NONE, '', now_ns)
        self._is_soft_start = gap_rad > self._settings.max_start_gap_rad

    def _limit(self, target: np.ndarray, dt_s: float) -> np.ndarray:
        limited = limit_target(target, self._last_command, dt_s, self._present_limits())
        if self._state is RunState.MOVING:
            self._count(position_clamps=int(limited.clamped_position.any()),
                        velocity_clamps=int(limited.clamped_velocity.any()))
            is_behind = (limited.clamped_velocity & self._limits.is_arm_joint).any()
            self._is_soft_start = self._is_soft_start and bool(is_behind)
        self._last_command = limited.positions
        return self._last_command

    def _present_limits(self) -> SafetyLimits:
        if self._state is not RunState.MOVING:
            return self._limits.widened_to(self._hold)
        if self._is_soft_start:
            return self._limits.slowed(self._settings.soft_start_speed_rad_s)
        return self._limits

    def _count(self, **increments: int) -> None:
        self._counters = replace(
            self._counters,
            **{name: getattr(self._counters, name) + n for name, n in increments.items()})
