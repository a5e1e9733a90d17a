# SPDX-License-Identifier: Apache-2.0
"""Both arms behind one lock: chunks and measurements in, one command per control tick out."""

from __future__ import annotations

from threading import Lock

import numpy as np

from cosmos_policy_ros.robot.arm_state_machine import ArmStateMachine
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.robot.chunk_executor import ChunkReceipt
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.run_state import Problem, StopReason
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.robot import RobotSpec


class ArmController:
    """Decides the command of every control tick. Thread-safe.

    Inactive until started; then waiting for a chunk, moving along it, or holding after a stop. On
    request it goes to a pose and holds there. A hold is the pose measured at the moment of
    stopping, and it is taken as fast as the speed limit allows; wherever the arms merely come to
    rest, they brake within the acceleration limit and stay where that leads. While holding and
    waiting the arms may stand outside the position limits, so that a stop is never a motion.
    """

    def __init__(
        self, robot: RobotSpec, settings: ArmSettings, motion: MotionSettings = MotionSettings(),
    ) -> None:
        """Create an inactive controller.

        Raises:
            ConfigurationError: If the settings do not fit the robot.
        """
        self._machine = ArmStateMachine(robot, settings, motion)
        self._lock = Lock()

    def configure(self, motion: MotionSettings) -> None:
        """Change how the arms move. Strategy and blend count from the next chunk on."""
        with self._lock:
            self._machine.configure(motion)

    def update_joints(self, arm_name: str, sample: JointSample, received_ns: int) -> None:
        """Take a plausible measurement of one arm.

        Raises:
            ConfigurationError: If the robot has no such arm.
            ObservationError: If the sample has the wrong number of joints.
        """
        with self._lock:
            self._machine.joints.update(arm_name, sample, received_ns)

    def refuse_joints(self, arm_name: str, detail: str) -> None:
        """Note that the arm reported something that is no measurement, and why.

        The arms stop when no plausible sample follows within the allowed age.

        Raises:
            ConfigurationError: If the robot has no such arm.
        """
        with self._lock:
            self._machine.joints.refuse(arm_name, detail)

    def start(self, now_ns: int) -> None:
        """Hold the measured pose and wait for a chunk; does nothing if started already.

        The one way on after every stop, whatever its reason.

        Raises:
            RobotError: If an arm's joints are missing, stale or implausible, the emergency stop
                is pressed, or the arms are on their way to a pose.
        """
        with self._lock:
            self._machine.start(now_ns)

    def go_to(
        self, pose: np.ndarray, now_ns: int, *, speed_rad_s: float | None = None,
        open_grippers_first: bool = False, via: np.ndarray | None = None,
    ) -> None:
        """Go slowly to a pose and hold it; chunks are refused from now on until the next start.

        Args:
            pose: The pose, inside the limits. Shape (A,).
            now_ns: The present in [ns].
            speed_rad_s: Highest speed of an arm joint in [rad/s]; as set if None.
            open_grippers_first: Whether to open the grippers before the arms move.
            via: A pose to pass on the way, at rest, unless the arms are there already. Shape
                (A,).

        Raises:
            RobotError: If an arm's joints are missing, stale or implausible, the emergency stop
                is pressed, a pose is outside the limits or not finite, or the speed is not
                positive and finite.
        """
        with self._lock:
            self._machine.go_to(pose, now_ns, speed_rad_s, open_grippers_first, via)

    def stop(self, reason: StopReason, now_ns: int, detail: str = '') -> None:
        """Hold the pose measured last. The first reason stays until the next start."""
        with self._lock:
            self._machine.stop(reason, detail, now_ns)

    def report_problem(self, problem: Problem, now_ns: int) -> None:
        """Stop because of a problem seen elsewhere: driver, motors, policy, cameras.

        Arms that hold because a person wanted it, or because they arrived, tell the problem from
        now on.
        """
        with self._lock:
            self._machine.report_problem(problem, now_ns)

    def set_emergency_stop(self, is_pressed: bool, now_ns: int) -> None:
        """Stop while the emergency stop is pressed, and refuse to start or go to a pose."""
        with self._lock:
            self._machine.set_emergency_stop(is_pressed, now_ns)

    def deactivate(self, now_ns: int) -> JointCommand | None:
        """Stop and go inactive.

        Returns:
            The command to publish before falling silent; None if there was none before.
        """
        with self._lock:
            return self._machine.deactivate(now_ns)

    def submit(self, chunk: ActionChunk, now_ns: int) -> ChunkReceipt:
        """Take a chunk, or say why not.

        A chunk is refused while not started, and if its observation is older than the start.
        """
        with self._lock:
            return self._machine.submit(chunk, now_ns)

    def committed_actions(self, from_ns: int, until_ns: int) -> np.ndarray:
        """Return what will run unless another chunk comes; see `ChunkExecutor`. Shape (n, A)."""
        with self._lock:
            return self._machine.executor.committed_actions(from_ns, until_ns)

    def command_at(self, now_ns: int) -> JointCommand | None:
        """Return the command of this control tick; None means publish nothing."""
        with self._lock:
            return self._machine.command_at(now_ns)

    def commands_at(self, now_ns: int, num_ticks: int) -> tuple[JointCommand, ...]:
        """Return the commands of this control tick and of those that follow, as good as sent.

        A stop counts from the command after these on.

        Args:
            now_ns: The present in [ns].
            num_ticks: How many commands, at least one.

        Returns:
            As many commands, one control period apart; empty if nothing is to be published.
        """
        with self._lock:
            return self._machine.commands_at(now_ns, num_ticks)

    def commands_to_rest(self, now_ns: int) -> tuple[JointCommand, ...]:
        """Return the command of this control tick, and those that would brake the arms after it.

        Returns:
            At least one command, one control period apart, of which the first counts as given;
            empty if nothing is to be published.
        """
        with self._lock:
            return self._machine.commands_to_rest(now_ns)

    def status(self, now_ns: int) -> ArmStatus:
        """Return state, reason, poses and counters."""
        with self._lock:
            return self._machine.status(now_ns)
