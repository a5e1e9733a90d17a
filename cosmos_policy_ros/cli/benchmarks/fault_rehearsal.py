# SPDX-License-Identifier: Apache-2.0
"""One fault in the middle of motion: what the arms did, and when, on the running system."""

from __future__ import annotations

from dataclasses import dataclass
import time

from cosmos_policy_ros.cli.benchmarks.fault_cases import FaultCase
from cosmos_policy_ros.cli.benchmarks.fault_signs import FaultSigns, RehearsalSettings
from cosmos_policy_ros.cli.processes import NodeProcesses
from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.evaluation.command_track import track_limits
from cosmos_policy_ros.nodes.motion_probe import MotionProbe, Sent
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.robot import RobotSpec

STARTUP_TIMEOUT_S = 60.0
NOTICE_TIMEOUT_S = 15.0
RESUME_TIMEOUT_S, ANSWER_TIMEOUT_S = 60.0, 6.0
MOVING_S, TOLERATED_S, STILL_S = 0.5, 1.0, 0.4
# Stopping from the highest speed takes less.
BRAKING_NS = 300_000_000
SLOW_INFERENCE_S = 3.0
# What came before the status that tells of a stop, in the same control tick.
SAME_TICK_NS = 15_000_000
STILL_RAD = 1e-4
MAX_TICKS = 2
# The arms may not have heard the last few joint states that the probe heard.
EARLY_S = 0.06


@dataclass(frozen=True, kw_only=True)
class FaultOutcome:
    """What became of a fault.

    Attributes:
        fault: The fault.
        target: What it hit.
        expected: Stop reason that it must lead to.
        reason: Stop reason that it led to.
        to_hold_ms: From the fault to the stop in [ms]; None if there was none.
        noticed_to_hold_ms: From when it could be noticed (where that is up to a poll: at the
            latest) to the stop in [ms].
        noticed_to_hold_ticks: Commands in that time, the first of the stop included.
        is_on_diagnostics: Whether /diagnostics told the reason, where it must.
        is_resumed: Whether the arms moved again, after `~/resume` or, if they only waited for a
            chunk, by themselves.
        problems: Everything that is not as it must be; empty if all is well.
        attempts: How often it was tried.
    """

    fault: str
    target: str
    expected: str
    reason: str
    to_hold_ms: float | None
    noticed_to_hold_ms: float | None
    noticed_to_hold_ticks: int | None
    is_on_diagnostics: bool
    is_resumed: bool
    problems: tuple[str, ...]
    attempts: int = 1


class FaultRehearsal:
    """Injects faults into a running bring-up that moves for ever, one after the other.

    Args:
        probe: What records and operates.
        processes: The nodes.
        robot: The robot.
        settings: Parameters that the nodes run with.
    """

    def __init__(self, probe: MotionProbe, processes: NodeProcesses, robot: RobotSpec,
                 settings: RehearsalSettings) -> None:
        self._probe, self._processes, self._settings = probe, processes, settings
        self._period_s = 1 / settings.control_rate_hz
        self._limits = track_limits(robot, SafetyLimits.from_robot(
            robot, position_margin_rad=settings.position_margin_rad,
            velocity_scale=settings.velocity_scale,
            max_acceleration_rad_s2=settings.max_acceleration_rad_s2))
        self._injected_ns = 0
        self._starts: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Wait for the nodes and let the arms move.

        Raises:
            RobotError: If they do not.
        """
        names = {'simulated_aloha_node', 'arm_node', 'policy_node'}
        self._probe.wait_until(lambda: names <= set(self._probe.status), STARTUP_TIMEOUT_S,
                               'start-up of all nodes', self._processes.check)
        self._resume()
        self._wait_for('moving')
        self._probe.spin(MOVING_S)

    def move(self, duration_s: float) -> None:
        """Let the arms move undisturbed."""
        self._probe.spin(duration_s)

    @property
    def ticks(self) -> tuple[int, int, float]:
        """Control ticks, late ones among them, and the longest period lately in [s]."""
        statuses = [status for _, status in self._probe.arm_statuses]
        return (statuses[-1].ticks, statuses[-1].late_ticks,
                max(status.max_tick_period_s for status in statuses))

    def run(self, case: FaultCase) -> FaultOutcome:
        """Rehearse one fault; the arms move before and after.

        Raises:
            CosmosPolicyError: If a node died, or the arms do not move again whatever is done.
        """
        self._processes.check()
        try:
            return self._rehearse(case)
        except RobotError as error:
            self._end_fault(case)
            self._resume()
            self._wait_for('moving')
            return FaultOutcome(
                fault=case.label, target=case.target, expected=case.reason, reason='',
                to_hold_ms=None, noticed_to_hold_ms=None, noticed_to_hold_ticks=None,
                is_on_diagnostics=False, is_resumed=True, problems=(str(error),))

    def _rehearse(self, case: FaultCase) -> FaultOutcome:
        probe = self._probe
        probe.forget()
        injected_ns = self._injected_ns = probe.now_ns
        self._begin_fault(case)
        begun_ns = probe.now_ns
        if case.is_tolerated:
            return self._tolerated(case)
        problems = self._await_stop(case)
        stopped_ns, status = self._stop()
        noticed_ns = FaultSigns(
            probe=probe, settings=self._settings, injected_ns=injected_ns, begun_ns=begun_ns,
            stopped_ns=stopped_ns,
        ).noticeable_ns(case)
        probe.spin(STILL_S)
        is_diagnosed = case.goes_on_alone or self._is_diagnosed(status.stop_reason)
        if not is_diagnosed:
            problems.append('/diagnostics does not tell')
        self._end_fault(case)
        problems += self._stillness(case, stopped_ns)
        is_resumed = self._goes_on(case, problems)
        problems += self._violations([
            (stopped_ns - SAME_TICK_NS, stopped_ns + BRAKING_NS), *self._starts])
        ticks = probe.groups['follower_left'].count_between(noticed_ns, stopped_ns)
        problems += self._lateness(case, ticks, (stopped_ns - noticed_ns) / 1e9)
        return FaultOutcome(
            fault=case.label, target=case.target, expected=case.reason,
            reason=status.stop_reason, to_hold_ms=(stopped_ns - injected_ns) / 1e6,
            noticed_to_hold_ms=(stopped_ns - noticed_ns) / 1e6,
            noticed_to_hold_ticks=ticks,
            is_on_diagnostics=is_diagnosed, is_resumed=is_resumed, problems=tuple(problems))

    def _tolerated(self, case: FaultCase) -> FaultOutcome:
        self._probe.spin(TOLERATED_S)
        self._end_fault(case)
        reasons = [status.stop_reason for _, status in self._probe.arm_statuses
                   if status.state != 'moving']
        problems = self._violations(self._starts)
        if reasons:
            problems.append(f'the arms did not go on: {reasons[0]}')
        is_resumed = self._goes_on(case, problems)
        return FaultOutcome(
            fault=case.label, target=case.target, expected=case.reason,
            reason=reasons[0] if reasons else 'none', to_hold_ms=None, noticed_to_hold_ms=None,
            noticed_to_hold_ticks=None, is_on_diagnostics=True, is_resumed=is_resumed,
            problems=tuple(problems))

    def _await_stop(self, case: FaultCase) -> list[str]:
        self._probe.wait_until(
            lambda: bool(self._stops()), NOTICE_TIMEOUT_S, f'a stop after {case.label}')
        if not case.goes_on_alone:
            # Arms that already wait for a chunk hold a moment later.
            self._probe.wait_until(lambda: self._stop()[1].state == 'holding', RESUME_TIMEOUT_S,
                                   'a hold of the arms')
        _, status = self._stop()
        if status.stop_reason != case.reason:
            return [f'reason {status.stop_reason}: {status.detail}']
        return []

    def _stops(self) -> list[Sent]:
        return [sent for sent in self._probe.arm_statuses
                if sent[0] >= self._injected_ns and sent[1].state in ('holding', 'waiting')]

    def _stop(self) -> Sent:
        """The status that tells of the stop: of the hold where there was one."""
        stops = self._stops()
        return next((sent for sent in stops if sent[1].state == 'holding'), stops[0])

    def _is_diagnosed(self, reason: str) -> bool:
        try:
            self._probe.wait_until(
                lambda: any(text.startswith(reason) for text in self._probe.errors),
                NOTICE_TIMEOUT_S, f'{reason} on /diagnostics')
        except RobotError:
            return False
        return True

    def _stillness(self, case: FaultCase, stopped_ns: int) -> list[str]:
        """Wait a moment after the end of the fault: nothing may move until it is resumed."""
        if case.goes_on_alone:
            return []
        self._probe.spin(STILL_S)
        now_ns = self._probe.now_ns
        travel = max(track.travel_between(stopped_ns + BRAKING_NS, now_ns) for track in (
            *self._probe.groups.values(), *self._probe.grippers.values()))
        problems = [] if travel < STILL_RAD else [f'commands went on by {travel:.4f} rad']
        if self._probe.status['arm_node'].state != 'holding':
            problems.append('the arms went on without being told to')
        return problems

    def _lateness(self, case: FaultCase, ticks: int, late_s: float) -> list[str]:
        if not case.is_exact:
            return []
        if ticks > MAX_TICKS:
            return [f'{ticks} commands until the stop, allowed are {MAX_TICKS}']
        if late_s < -EARLY_S:
            return [f'stopped {-late_s:.3f} s before the fault could be noticed']
        return []

    def _goes_on(self, case: FaultCase, problems: list[str]) -> bool:
        try:
            if not case.goes_on_alone or self._probe.status['arm_node'].state == 'holding':
                self._resume()
            self._wait_for('moving')
            self._probe.spin(MOVING_S)
        except RobotError as error:
            problems.append(str(error))
            return False
        return True

    def _violations(self, stops: list[tuple[int, int]]) -> list[str]:
        return [f'{name}: {text}'
                for (name, group), (arm_limits, gripper_limits) in zip(
                    self._probe.groups.items(), self._limits)
                for track, limits in ((group, arm_limits),
                                      (self._probe.grippers[name], gripper_limits))
                for text in track.violations(limits, self._period_s, stops)]

    def _begin_fault(self, case: FaultCase) -> None:
        if case.name == 'foreign_commander':
            self._probe.intrude(case.target)
        elif case.name == 'missing_chunk':
            self._probe.set_parameters('/policy_node', inference_delay_s=SLOW_INFERENCE_S)
        elif case.name == 'policy_death':
            self._processes.kill('policy_node')
        elif case.name == 'emergency_stop':
            self._probe.press_emergency_stop(True)
        else:
            self._probe.inject_fault(
                case.name, target=case.target, amount=case.amount, seed=case.seed)

    def _end_fault(self, case: FaultCase) -> None:
        if case.name == 'foreign_commander':
            self._probe.withdraw()
        elif case.name == 'missing_chunk':
            self._probe.set_parameters('/policy_node', inference_delay_s=0.0)
        elif case.name == 'policy_death':
            self._processes.restart('policy_node')
        elif case.name == 'emergency_stop':
            self._probe.press_emergency_stop(False)
        else:
            self._probe.inject_fault('')

    def _resume(self) -> None:
        """Call `~/resume` until it is not refused: some faults take a moment to end."""
        deadline_s = time.monotonic() + RESUME_TIMEOUT_S
        while True:
            try:
                asked_ns = self._probe.now_ns
                self._probe.trigger('/arm_node/resume', timeout_s=ANSWER_TIMEOUT_S)
                # Commands begin anew at the measured pose, in one step.
                self._starts = [(asked_ns, self._probe.now_ns + SAME_TICK_NS)]
                return
            except RobotError:
                if time.monotonic() > deadline_s:
                    raise
                self._probe.spin(0.2)

    def _wait_for(self, state: str) -> None:
        self._probe.wait_until(
            lambda: self._probe.status['arm_node'].state == state, RESUME_TIMEOUT_S,
            f'state {state} of the arms')
