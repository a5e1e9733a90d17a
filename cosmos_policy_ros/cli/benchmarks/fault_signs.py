# SPDX-License-Identifier: Apache-2.0
"""When a fault could be noticed at the earliest, from what was sent on the topics."""

from __future__ import annotations

from dataclasses import dataclass

from cosmos_policy_ros.cli.benchmarks.fault_cases import FaultCase
from cosmos_policy_ros.nodes.motion_probe import MotionProbe
from cosmos_policy_ros.robot.frozen_joints import MAX_TRAVEL_RAD

# A stamp that is further ahead than this was not merely written by another process.
AHEAD_NS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class RehearsalSettings:
    """Parameters of the nodes by which stops are judged, as in `arm_node` and `policy_node`."""

    control_rate_hz: float = 50.0
    status_rate_hz: float = 10.0
    max_joint_age_s: float = 0.5
    driver_poll_period_s: float = 0.3
    driver_timeout_s: float = 1.5
    policy_timeout_s: float = 2.0
    position_margin_rad: float = 0.02
    velocity_scale: float = 0.5
    max_acceleration_rad_s2: float = 15.0


@dataclass(frozen=True, kw_only=True)
class FaultSigns:
    """What was sent around one fault.

    Attributes:
        probe: The record.
        settings: Parameters of the nodes.
        injected_ns: When the fault was asked for in [ns].
        begun_ns: When it was in force for certain in [ns].
        stopped_ns: When the arms stopped in [ns].
    """

    probe: MotionProbe
    settings: RehearsalSettings
    injected_ns: int
    begun_ns: int
    stopped_ns: int

    def noticeable_ns(self, case: FaultCase) -> int:
        """Time in [ns] from which the fault could be noticed; see `fault_cases.Sign`.

        Where that is up to a poll, it is the latest such time. Where what should have told the
        fault was never sent, it is the time of the stop.
        """
        settings = self.settings
        sign = {
            'age': self._too_old_ns, 'ahead': self._ahead_ns, 'told': lambda: self._told_ns(case),
            'frozen': lambda: self._travelled_ns(case.target), 'silence': self._silent_ns,
            'end': self._chunk_end_ns,
            'poll': lambda: self._later_ns(settings.driver_poll_period_s),
            'look': lambda: self._later_ns(1 / settings.status_rate_hz),
            'unanswered': lambda: self._later_ns(
                settings.driver_poll_period_s + 2 * settings.driver_timeout_s)}[case.sign]
        return sign()

    def _later_ns(self, delay_s: float) -> int:
        return self.injected_ns + round(delay_s * 1e9)

    def _too_old_ns(self) -> int:
        newest = min(max((stamp for sent, stamp in stamps if sent <= self.stopped_ns
                          and stamp <= sent + AHEAD_NS), default=self.injected_ns)
                     for stamps in self.probe.joint_stamps.values())
        return newest + round(self.settings.max_joint_age_s * 1e9)

    def _ahead_ns(self) -> int:
        return min((sent for stamps in self.probe.joint_stamps.values()
                    for sent, stamp in stamps if stamp > sent + AHEAD_NS),
                   default=self.stopped_ns)

    def _told_ns(self, case: FaultCase) -> int:
        if case.reason != 'images_stale':
            return self.injected_ns
        return min((sent for sent, status in self.probe.policy_statuses if status.image_problem),
                   default=self.stopped_ns)

    def _travelled_ns(self, arm_name: str) -> int:
        track = self.probe.groups[arm_name]
        later = [(sent, values) for sent, values in zip(track.times_ns, track.values)
                 if sent >= self.begun_ns]
        return next((sent for sent, values in later
                     if abs(values - later[0][1]).max() > MAX_TRAVEL_RAD), self.stopped_ns)

    def _silent_ns(self) -> int:
        heard = [sent for sent, _ in self.probe.policy_statuses if sent <= self.injected_ns]
        return max(heard, default=self.injected_ns) + round(self.settings.policy_timeout_s * 1e9)

    def _chunk_end_ns(self) -> int:
        return max((end for sent, end in self.probe.chunk_ends if sent <= self.stopped_ns),
                   default=self.stopped_ns)
