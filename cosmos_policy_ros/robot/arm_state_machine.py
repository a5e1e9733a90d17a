# SPDX-License-Identifier: Apache-2.0
"""What the arms do and why: follow chunks within limits, go to poses, hold on any fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.robot.arm_status import ArmCounters, ArmStatus
from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor, ChunkReceipt, ChunkRejection
from cosmos_policy_ros.robot.command_limiter import CommandLimiter, least_openings
from cosmos_policy_ros.robot.following_error import FollowingErrorWatch
from cosmos_policy_ros.robot.frozen_joints import FrozenJointsWatch
from cosmos_policy_ros.robot.joint_streams import JointStreams
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.pose_motion import (
    plan_pose_motion, PoseMotion, require_reachable, with_grippers_open)
from cosmos_policy_ros.robot.run_state import Problem, RunState, StopReason
from cosmos_policy_ros.robot.safety import largest_gap, LimitedTarget, SafetyLimits
from cosmos_policy_ros.robot.settings import ArmSettings, NS_PER_S
from cosmos_policy_ros.robot.tick_clock import TickClock
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.robot import RobotSpec

ARRIVED_RAD = 1e-3
# After this long without a chunk the arms stand still, and what they measure is where they are.
SETTLING_NS = 500_000_000
# After so long without a tick a chunk is no longer caught up with: arms stood, and would cut
# across what they missed.
MAX_STALL_S = 0.5
# Arms with these problems may be limp. One that falls or is placed farther away than it would sag
# is held where it is, so that it does not jump back when its torque returns.
LIMP_REASONS = (StopReason.TORQUE_OFF, StopReason.MOTOR_ERROR, StopReason.DRIVER_MODE)
PUSHED_RAD = 0.1


class ArmStateMachine:
    """The states of `ArmController`, which documents them and holds the lock.

    Attributes:
        joints: The measured joints.
        executor: The chunks received.
    """

    def __init__(self, robot: RobotSpec, settings: ArmSettings, motion: MotionSettings) -> None:
        """Create an inactive machine.

        Raises:
            ConfigurationError: If the settings do not fit the robot.
        """
        self._robot, self._settings = robot, settings
        self.joints = JointStreams(
            robot, max_age_s=settings.max_joint_age_s,
            future_tolerance_s=settings.future_tolerance_s)
        self.executor = ChunkExecutor(robot, motion)
        self.configure(motion)
        self._following = FollowingErrorWatch(
            self._limits, max_error_rad=settings.max_following_error_rad,
            time_s=settings.following_error_time_s)
        self._frozen = FrozenJointsWatch(robot, self._limits)
        self._clock = TickClock(settings.control_rate_hz)
        self._limiter = CommandLimiter(self._clock.period_s)
        self._counters = ArmCounters()
        self._started_ns: int | None = None
        self._is_emergency = self._is_limp = False
        self._go_inactive(StopReason.NOT_STARTED)

    def configure(self, motion: MotionSettings) -> None:
        """Change how the arms move."""
        self._motion = motion
        self._limits = SafetyLimits.from_robot(
            self._robot, position_margin_rad=self._settings.position_margin_rad,
            velocity_scale=self._settings.velocity_scale,
            max_acceleration_rad_s2=motion.max_acceleration_rad_s2)
        self.executor.configure(motion)

    def start(self, now_ns: int) -> None:
        """Hold the measured pose and wait for a chunk; does nothing if started already."""
        if self._is_started:
            return
        if self._state is RunState.POSITIONING:
            raise RobotError('cannot start: the arms are on their way to a pose; stop them first')
        self._require_ready('start', now_ns)
        self._started_ns = now_ns
        # The arms may have been moved since the last command.
        self._limiter.rest_at(self._measured_hold())
        self._enter(RunState.WAITING, StopReason.CHUNK_MISSING, 'no chunk since the start',
                    now_ns, hold=self._limiter.positions)

    def go_to(
        self, pose: np.ndarray, now_ns: int, speed_rad_s: float | None, open_grippers_first: bool,
        via: np.ndarray | None,
    ) -> None:
        """Go slowly to a pose and hold it."""
        self._require_ready('go to a pose', now_ns)
        plan = self._plan(pose, now_ns, speed_rad_s, open_grippers_first, via)
        self.executor.clear()
        if not self._is_commanding:
            self._limiter.rest_at(plan.poses[0])
        self._enter(RunState.POSITIONING, StopReason.REQUESTED, 'on the way to a pose', now_ns,
                    hold=plan.poses[0])
        self._pose_motion = plan

    def stop(self, reason: StopReason, detail: str, now_ns: int) -> None:
        """Hold the pose measured last."""
        if self._state is RunState.INACTIVE:
            self._enter(RunState.INACTIVE, reason, detail, now_ns)
        elif self._state is not RunState.HOLDING:
            self.executor.clear()
            self._enter(RunState.HOLDING, reason, detail, now_ns, hold=self._measured_hold())

    def report_problem(self, problem: Problem, now_ns: int) -> None:
        """Stop because of a problem seen elsewhere."""
        is_wanted = self._reason in (StopReason.REQUESTED, StopReason.ARRIVED)
        if self._state is RunState.HOLDING and is_wanted:
            self._reason, self._detail = problem.reason, problem.text
        self.stop(problem.reason, problem.text, now_ns)
        self._is_limp = self._is_limp or problem.reason in LIMP_REASONS

    def set_emergency_stop(self, is_pressed: bool, now_ns: int) -> None:
        """Stop while the emergency stop is pressed."""
        self._is_emergency = is_pressed
        if is_pressed:
            self.report_problem(Problem(
                reason=StopReason.EMERGENCY_STOP, text='the emergency stop is pressed'), now_ns)

    def deactivate(self, now_ns: int) -> JointCommand | None:
        """Stop and go inactive; return the last command, or None if there was none before."""
        is_standing = self._is_commanding and self._limiter.is_resting
        self.stop(StopReason.DEACTIVATED, '', now_ns)
        if is_standing and not self.joints.problems(now_ns):
            # Arms that stand pressed against something are to press no more.
            self._limiter.rest_at(self._hold)
        command = self.command_at(now_ns)
        self._go_inactive(StopReason.DEACTIVATED, now_ns)
        return command

    def submit(self, chunk: ActionChunk, now_ns: int) -> ChunkReceipt:
        """Take a chunk, or say why not."""
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
        return None if self._state is RunState.INACTIVE else self._tick(now_ns)

    def commands_at(self, now_ns: int, num_ticks: int) -> tuple[JointCommand, ...]:
        """Return the commands of this tick and of those that follow; empty: publish nothing."""
        if self._state is RunState.INACTIVE:
            return ()
        first = self._tick(now_ns)
        following_ns = [now_ns + index * self._clock.period_ns for index in range(1, num_ticks)]
        return (first, *(self._step(at_ns, self._measure_tick(at_ns)) for at_ns in following_ns))

    def commands_to_rest(self, now_ns: int) -> tuple[JointCommand, ...]:
        """Return the command of this tick, and those that would brake the arms after it."""
        command = self.command_at(now_ns)
        if command is None:
            return ()
        # Arms that hold go back to where they were measured; that way is not to be prolonged.
        course = () if self._state is RunState.HOLDING else self._limiter.braking_course(
            self._limits)
        return (command, *(
            JointCommand(positions=positions, stamp_ns=now_ns + index * self._clock.period_ns)
            for index, positions in enumerate(course, start=1)))

    def status(self, now_ns: int) -> ArmStatus:
        """Return state, reason, poses and counters."""
        return ArmStatus(
            state=self._state, strategy=self._motion.strategy, reason=self._reason,
            detail=self._detail, since_ns=self._since_ns, target=self._limiter.positions,
            measured=self.joints.positions, joint_age_s=self.joints.age_s(now_ns),
            counters=self._counters)

    @property
    def _is_started(self) -> bool:
        return self._state in (RunState.WAITING, RunState.MOVING)

    @property
    def _is_commanding(self) -> bool:
        """Whether the last command says where the arms are; a hold may have been disturbed."""
        return self._state not in (RunState.INACTIVE, RunState.HOLDING)

    def _enter(
        self, state: RunState, reason: StopReason, detail: str, now_ns: int | None, *,
        hold: np.ndarray | None = None,
    ) -> None:
        self._state, self._reason, self._detail = state, reason, detail
        self._since_ns = now_ns
        self._is_soft_start = self._is_settled = self._is_limp = False
        self._pose_motion: PoseMotion | None = None
        self._hold_at(hold)

    def _hold_at(self, pose: np.ndarray | None) -> None:
        self._hold = pose
        if pose is not None:
            self._limiter.aim_at(pose)

    def _go_inactive(self, reason: StopReason, now_ns: int | None = None) -> None:
        self._enter(RunState.INACTIVE, reason, '', now_ns)
        self._limiter.forget()
        self._clock.reset()

    def _measured_hold(self) -> np.ndarray:
        """The measured pose with the openings commanded last.

        These go on holding an object that the measured openings would drop.
        """
        measured, command = self.joints.holding_positions, self._limiter.positions
        return np.where(self._limits.is_arm_joint, measured,
                        self._limits.clip(measured if command is None else command))

    def _require_ready(self, purpose: str, now_ns: int) -> None:
        texts = [problem.text for problem in self.joints.problems(now_ns)]
        if self._is_emergency:
            texts.append('the emergency stop is pressed')
        if texts:
            raise RobotError(f'cannot {purpose}: ' + '; '.join(texts))

    def _plan(
        self, pose: np.ndarray, now_ns: int, speed_rad_s: float | None, open_grippers_first: bool,
        via: np.ndarray | None,
    ) -> PoseMotion:
        goal = require_reachable(pose, self._limits)
        poses = [self._limiter.resting_pose(self._limits) if self._is_commanding
                 else self._measured_hold()]
        if open_grippers_first:
            poses.append(with_grippers_open(poses[0], self._limits))
        _, gap_rad = largest_gap(goal, poses[0], self._limits)
        if via is not None and gap_rad > self._settings.max_start_gap_rad:
            poses.append(require_reachable(via, self._limits))
        return plan_pose_motion(
            np.array([*poses, goal]), now_ns, self._limits,
            speed_rad_s=self._motion.pose_speed_rad_s if speed_rad_s is None else speed_rad_s)

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
        return self.executor.submit(
            chunk, now_ns, self._limiter.positions,
            standing_since_ns=self._since_ns if self._state is RunState.WAITING else None)

    def _tick(self, now_ns: int) -> JointCommand:
        dt_s = self._measure_tick(now_ns)
        self._check_joints(now_ns)
        return self._step(now_ns, dt_s)

    def _step(self, now_ns: int, dt_s: float) -> JointCommand:
        target = self._choose_target(now_ns)
        positions = self._limit(target, dt_s, now_ns).positions
        if self._pose_motion is not None:
            self._check_arrival(positions, now_ns)
        return JointCommand(positions=positions, stamp_ns=now_ns)

    def _measure_tick(self, now_ns: int) -> float:
        """Return for how long in [s] this command may move, counting late ticks."""
        elapsed_s = self._clock.tick(now_ns)
        self._count(ticks=1, late_ticks=int(elapsed_s > self._clock.longest_step_s))
        if elapsed_s < 0:
            self.stop(StopReason.CLOCK_WENT_BACK,
                      f'the clock went back by {-elapsed_s:.3f} s', now_ns)
        elif elapsed_s > MAX_STALL_S and self._state is RunState.MOVING:
            self.stop(StopReason.CONTROL_STALLED,
                      f'no control tick came for {elapsed_s:.3f} s (limit {MAX_STALL_S} s)',
                      now_ns)
        step_s = self._clock.step_s(elapsed_s)
        if self._pose_motion is not None and elapsed_s > step_s:
            # What a late tick missed is gone through later, not left out.
            self._pose_motion = self._pose_motion.delayed(round((elapsed_s - step_s) * NS_PER_S))
        return step_s

    def _check_joints(self, now_ns: int) -> None:
        problems = self.joints.problems(now_ns)
        if problems:
            self.stop(problems[0].reason, '; '.join(problem.text for problem in problems),
                      now_ns)
        elif not self._settings.dry_run:
            self._check_following(now_ns)

    def _check_following(self, now_ns: int) -> None:
        self._check_frozen(now_ns)
        if self._is_limp:
            self._yield_to_pushes()
        error = self._following.update(
            self._limiter.positions, self.joints.positions, now_ns)
        if error is None:
            return
        self.stop(StopReason.FOLLOWING_ERROR, error, now_ns)
        # Arms moved while holding must not spring back when whatever moved them lets go.
        self._hold_at(self._measured_hold())

    def _yield_to_pushes(self) -> None:
        """Hold limp arms where they are by now, each for itself."""
        hold, measured = self._hold.copy(), self._measured_hold()
        gaps = np.where(self._limits.is_arm_joint, np.abs(measured - hold), 0.0)
        for index in range(len(self._robot.arms)):
            part = self._robot.arm_slice(index)
            if gaps[part].max() > PUSHED_RAD:
                hold[part] = measured[part]
        self._hold_at(hold)

    def _check_frozen(self, now_ns: int) -> None:
        for arm in self._robot.arms:
            frozen = self._frozen.update(
                arm.name, self.joints.newest(arm.name), self._limiter.positions)
            if frozen is not None:
                self.stop(StopReason.JOINT_STATES_STALE, frozen, now_ns)

    def _choose_target(self, now_ns: int) -> np.ndarray:
        if self._pose_motion is not None:
            return self._pose_motion.position_at(now_ns)
        target = self.executor.target_at(now_ns)
        if target is None and self._state is RunState.MOVING:
            # Going back at once to the measured pose, which lags behind, would be a motion.
            self._enter(RunState.WAITING, StopReason.CHUNK_MISSING, 'the chunk ran out', now_ns,
                        hold=self._limiter.resting_pose(self._limits))
        elif target is not None and self._state is RunState.WAITING:
            self._begin_moving(now_ns)
        elif self._state is RunState.WAITING:
            self._settle(now_ns)
        return target if self._state is RunState.MOVING else self._hold

    def _settle(self, now_ns: int) -> None:
        """Once the arms stand still after a chunk, hold what is measured, as after a stop."""
        if not self._is_settled and now_ns - self._since_ns >= SETTLING_NS:
            self._is_settled = True
            self._hold_at(self._measured_hold())

    def _begin_moving(self, now_ns: int) -> None:
        joint, gap_rad = self._gap_to_next_action(self.joints.positions, now_ns)
        if gap_rad > self._settings.refused_start_gap_rad:
            self.stop(
                StopReason.START_GAP,
                f'{joint} is {gap_rad:.3f} rad away from the first action '
                f'(limit {self._settings.refused_start_gap_rad} rad)', now_ns)
            return
        self._enter(RunState.MOVING, StopReason.NONE, '', now_ns)
        self._is_soft_start = gap_rad > self._settings.max_start_gap_rad

    def _gap_to_next_action(self, pose: np.ndarray, now_ns: int) -> tuple[str, float]:
        action = self._limits.clip(self.executor.next_action(now_ns))
        return largest_gap(action, pose, self._limits)

    def _limit(self, target: np.ndarray, dt_s: float, now_ns: int) -> LimitedTarget:
        limits = self._present_limits()
        if self._state is RunState.HOLDING:
            return self._limiter.stop(target, dt_s, limits)
        if self._motion.gripper_squeeze < 1 and self._state is not RunState.WAITING:
            target, limits = self._spare_grippers(target, limits)
        limited = self._limiter.limit(target, dt_s, limits)
        if self._state is RunState.MOVING:
            self._count_clamps(limited)
            self._is_soft_start = self._is_soft_start and self._is_behind(limited, now_ns)
        return limited

    def _is_behind(self, limited: LimitedTarget, now_ns: int) -> bool:
        is_clamped = limited.clamped_velocity | limited.clamped_acceleration
        if (is_clamped & self._limits.is_arm_joint).any():
            return True
        _, gap_rad = self._gap_to_next_action(limited.positions, now_ns)
        return gap_rad > self._settings.max_start_gap_rad

    def _present_limits(self) -> SafetyLimits:
        if self._pose_motion is not None:
            return self._limits.widened_to(self._pose_motion.poses[0])
        if self._state is not RunState.MOVING:
            return self._limits.widened_to(self._hold)
        if self._is_soft_start:
            return self._limits.slowed(self._settings.soft_start_speed_rad_s)
        return self._limits

    def _spare_grippers(
        self, target: np.ndarray, limits: SafetyLimits,
    ) -> tuple[np.ndarray, SafetyLimits]:
        spared = limits.with_least_openings(least_openings(
            self._limiter.positions, self.joints.holding_positions,
            squeeze=self._motion.gripper_squeeze))
        is_closing = ~limits.is_arm_joint & (target < spared.lower)
        self._count(gripper_clamps=int(is_closing.any()))
        return np.where(is_closing, spared.lower, target), spared

    def _check_arrival(self, positions: np.ndarray, now_ns: int) -> None:
        goal = self._pose_motion.poses[-1]
        _, gap_rad = largest_gap(goal, positions, self._limits)
        if now_ns >= self._pose_motion.end_ns and gap_rad <= ARRIVED_RAD:
            self._enter(RunState.HOLDING, StopReason.ARRIVED, '', now_ns, hold=positions)

    def _count_clamps(self, limited: LimitedTarget) -> None:
        self._count(position_clamps=int(limited.clamped_position.any()),
                    velocity_clamps=int(limited.clamped_velocity.any()),
                    acceleration_clamps=int(limited.clamped_acceleration.any()))

    def _count(self, **increments: int) -> None:
        self._counters = replace(
            self._counters,
            **{name: getattr(self._counters, name) + n for name, n in increments.items()})
