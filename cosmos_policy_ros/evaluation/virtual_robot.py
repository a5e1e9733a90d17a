# SPDX-License-Identifier: Apache-2.0
"""The simulated robot under the real arm controller, on a clock that only `advance` moves.

Everything between a chunk and the motors is what runs on the robot: chunk executor, controller,
safety limits, the emulated vendor driver. Only the clock and the transport are replaced, so that
an episode takes as long as it takes to compute and comes out the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from cosmos_policy_ros.robot.arm_controller import ArmController
from cosmos_policy_ros.robot.chunk_executor import ChunkReceipt
from cosmos_policy_ros.robot.joint_state import joint_sample_from_state, JointSample
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.simulation.task import TaskStatus
from cosmos_policy_ros.simulation.world import WorldSnapshot
from cosmos_policy_ros.simulation.xs_joint_states import JointStates
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

START_NS = 1_000_000_000
STEP_NS = 10_000_000
CONTROL_STEPS = 2
# The vendor's driver occupies its thread while it changes the gripper's mode.
SETTLE_NS = 200_000_000
_GRIPPER_MODE = 'current_based_position'


class RobotListener(Protocol):
    """Who wants to know what goes over the robot's topics."""

    def on_joint_states(self, arm: ArmSpec, states: JointStates, now_ns: int) -> None:
        """Take the joint states of one arm, every 10 ms."""

    def on_command(self, command: JointCommand) -> None:
        """Take the command of a control tick, every 20 ms while the arms are started."""


class VirtualRobot:
    """Simulated robot and arm controller on one virtual clock.

    Args:
        robot: The robot.
        task: Name of the task.
        settings: How the arm controller moves, and when it stops.
        motion: How chunks follow one another.

    Attributes:
        simulation: The simulated robot.
        now_ns: The present in [ns].
    """

    def __init__(self, robot: RobotSpec, task: str, *, settings: ArmSettings = ArmSettings(),
                 motion: MotionSettings = MotionSettings()) -> None:
        self.robot = robot
        self.simulation = SimulatedAloha(robot, log=lambda level, text: None, task=task)
        self.now_ns = START_NS
        self._settings, self._motion = settings, motion
        self._listeners: tuple[RobotListener, ...] = ()
        self._disturbance: Callable[[int], np.ndarray] | None = None

    def reset(self, seed: int, *, listeners: tuple[RobotListener, ...] = (),
              disturbance: Callable[[int], np.ndarray] | None = None) -> None:
        """Begin an episode: robot at the start pose, clock at `START_NS`, arms started.

        Args:
            seed: Seed of the scene.
            listeners: Told about joint states and commands from now on.
            disturbance: Gives what to add to the joint targets at a time in [ns] on their way to
                the motors, unknown to the controller. Shape (A,).
        """
        self.controller = ArmController(self.robot, self._settings, self._motion)
        self._listeners, self._disturbance = (), None
        self.now_ns = START_NS - SETTLE_NS
        self.simulation.reset(seed=seed, now_ns=self.now_ns)
        self._prepare_drivers()
        while self.now_ns < START_NS:
            self.now_ns += STEP_NS
            self.simulation.advance_to(self.now_ns)
        self._listeners, self._disturbance = listeners, disturbance
        self._measure()
        self.controller.start(self.now_ns)

    def advance(self) -> None:
        """Let 10 ms pass: physics, joint states and, every second time, a control tick."""
        self.now_ns += STEP_NS
        self.simulation.advance_to(self.now_ns)
        self._measure()
        if (self.now_ns - START_NS) // STEP_NS % CONTROL_STEPS == 0:
            self._control()

    def submit(self, chunk: ActionChunk) -> ChunkReceipt:
        """Give the arms a chunk, or say why they do not take it."""
        return self.controller.submit(chunk, self.now_ns)

    def snapshot(self) -> WorldSnapshot:
        """Copy what a renderer needs, stamped with the present."""
        return replace(self.simulation.snapshot(), stamp_ns=self.now_ns)

    @property
    def samples(self) -> dict[str, JointSample]:
        """Arm to its newest measurement."""
        return dict(self._samples)

    @property
    def status(self) -> TaskStatus:
        """How far the task has come."""
        return self.simulation.status

    def _prepare_drivers(self) -> None:
        for arm in self.robot.arms:
            with self.simulation.driver(arm.name) as driver:
                driver.set_operating_modes(
                    self.now_ns, 'single', arm.gripper_joint, mode=_GRIPPER_MODE,
                    profile_type='velocity', profile_velocity=0, profile_acceleration=0)

    def _measure(self) -> None:
        self._samples = {}
        for arm in self.robot.arms:
            states = self.simulation.joint_states(arm.name)
            sample = joint_sample_from_state(
                arm, states.names, states.positions, stamp_ns=self.now_ns,
                velocities=states.velocities, efforts=states.efforts)
            self._samples[arm.name] = sample
            self.controller.update_joints(arm.name, sample, self.now_ns)
            for listener in self._listeners:
                listener.on_joint_states(arm, states, self.now_ns)

    def _control(self) -> None:
        command = self.controller.command_at(self.now_ns)
        if command is None:
            return
        for listener in self._listeners:
            listener.on_command(command)
        positions = command.positions
        if self._disturbance is not None:
            positions = positions + self._disturbance(self.now_ns)
        for index, arm in enumerate(self.robot.arms):
            # The driver's messages carry single precision.
            *joints, opening = positions[self.robot.arm_slice(index)]
            gripper_rad = np.float32(arm.gripper.joint_from_opening(float(opening)))
            with self.simulation.driver(arm.name) as driver:
                driver.command_group(self.now_ns, 'arm', np.float32(joints).tolist())
                driver.command_single(self.now_ns, arm.gripper_joint, float(gripper_rad))
