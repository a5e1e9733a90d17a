# SPDX-License-Identifier: Apache-2.0
"""Are the drivers still what they were when the arms were started? Polled while they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cosmos_policy_ros.robot.driver_check import check_arm, DriverInfo
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

MAX_MISSED_POLLS = 2


class DriverWatch:
    """Compares what drivers answer with what they answered at the start."""

    def __init__(
        self, robot: RobotSpec, at_start: Sequence[DriverInfo], *,
        max_missed_polls: int = MAX_MISSED_POLLS,
    ) -> None:
        """Create a watch.

        Args:
            robot: The robot.
            at_start: What the drivers answered when the arms were started.
            max_missed_polls: Polls in a row without an answer after which a driver is dead.
        """
        self._robot = robot
        self._at_start = {info.arm_name: info for info in at_start}
        self._max_missed_polls = max_missed_polls
        self._missed = {arm.name: 0 for arm in robot.arms}

    def update(self, infos: Sequence[DriverInfo]) -> list[Problem]:
        """Return what is wrong after a poll, the most telling first; empty if nothing is.

        Args:
            infos: The answers; a driver that gave none is left out.
        """
        by_name = {info.arm_name: info for info in infos}
        return [problem for arm in self._robot.arms
                for problem in self._check(arm, by_name.get(arm.name))]

    def _check(self, arm: ArmSpec, info: DriverInfo | None) -> list[Problem]:
        if info is None:
            return self._miss(arm)
        self._missed[arm.name] = 0
        problems = check_arm(arm, info)
        if all(problem.reason is not StopReason.DRIVER_MODE for problem in problems):
            problems += [Problem(reason=StopReason.DRIVER_MODE, text=f'{arm.name}: {text}')
                         for text in self._changes(info)]
        return problems

    def _miss(self, arm: ArmSpec) -> list[Problem]:
        self._missed[arm.name] += 1
        if self._missed[arm.name] < self._max_missed_polls:
            return []
        return [Problem(
            reason=StopReason.DRIVER_DEAD,
            text=f'{arm.name}: its driver did not answer {self._missed[arm.name]} times in a row '
                 f'(limit {self._max_missed_polls})')]

    def _changes(self, info: DriverInfo) -> Iterator[str]:
        before = self._at_start.get(info.arm_name)
        if before is None:
            return
        for part, old, new in (('arm', before.arm_mode, info.arm_mode),
                               ('gripper', before.gripper_mode, info.gripper_mode)):
            if old != new:
                yield f'{part} went from mode {old!r} to {new!r} since the start'
