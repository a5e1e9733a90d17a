# SPDX-License-Identifier: Apache-2.0
"""A bench for arm controllers: a clock, and arms that go where they are told."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from cosmos_policy_ros.robot.arm_controller import ArmController
from cosmos_policy_ros.robot.arm_status import ArmStatus
from cosmos_policy_ros.robot.chunk_executor import ChunkReceipt
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.run_state import RunState, StopReason
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.robot.settings import ArmSettings
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
TICK_MS = 20
ARMS = tuple(arm.name for arm in ALOHA.arms)
SETTINGS = ArmSettings()
LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=SETTINGS.position_margin_rad,
    velocity_scale=SETTINGS.velocity_scale,
    max_acceleration_rad_s2=MotionSettings().max_acceleration_rad_s2)
IS_ARM = LIMITS.is_arm_joint
START = ALOHA.start_pose


class Bench:
    """A controller, a clock and arms that go where they are told, unless told not to."""

    def __init__(
        self, pose: np.ndarray = START, settings: ArmSettings = SETTINGS,
        motion: MotionSettings = MotionSettings(),
    ) -> None:
        self.controller = ArmController(ALOHA, settings, motion)
        self.now_ms = 1000
        self.pose = np.array(pose, dtype=float)
        self.is_blocked = False
        self.is_gripper_blocked = False
        self.commands: list[np.ndarray | None] = []

    def measure(self, *arms: str) -> None:
        for index, name in enumerate(ARMS):
            if name in (arms or ARMS):
                sample = JointSample(
                    positions=self.pose[ALOHA.arm_slice(index)], stamp_ns=self.now_ms * MS)
                self.controller.update_joints(name, sample, self.now_ms * MS)

    def tick(self, count: int = 1, tick_ms: int = TICK_MS, is_measured: bool = True) -> None:
        for _ in range(count):
            self.now_ms += tick_ms
            if is_measured:
                self.measure()
            command = self.controller.command_at(self.now_ms * MS)
            self.commands.append(None if command is None else command.positions)
            if command is not None and not self.is_blocked:
                is_free = IS_ARM | (not self.is_gripper_blocked)
                self.pose = np.where(is_free, command.positions, self.pose)

    def start(self) -> None:
        self.measure()
        self.controller.start(self.now_ms * MS)

    def stop(self, reason: StopReason = StopReason.REQUESTED, detail: str = '') -> None:
        self.controller.stop(reason, self.now_ms * MS, detail)

    def submit(self, positions: np.ndarray, stamp_ms: int | None = None) -> ChunkReceipt:
        chunk = ActionChunk(
            positions=positions, period_ns=40 * MS,
            stamp_ns=(self.now_ms if stamp_ms is None else stamp_ms) * MS)
        return self.controller.submit(chunk, self.now_ms * MS)

    def move_by(self, offset_rad: float, num_actions: int = 10) -> ChunkReceipt:
        return self.submit(np.tile(START + offset_rad * IS_ARM, (num_actions, 1)))

    @property
    def status(self) -> ArmStatus:
        return self.controller.status(self.now_ms * MS)

    @property
    def state(self) -> tuple[RunState, StopReason]:
        return self.status.state, self.status.reason


def started(pose: np.ndarray = START, **settings: object) -> Bench:
    """A started controller with some settings, of the arms or of their motion."""
    names = {item.name for item in fields(ArmSettings)}
    bench = Bench(
        pose, replace(SETTINGS, **{n: v for n, v in settings.items() if n in names}),
        MotionSettings(**{n: v for n, v in settings.items() if n not in names}))
    bench.start()
    return bench


def moving(offset_rad: float = 0.05) -> Bench:
    """A controller that moves along a chunk."""
    bench = started()
    bench.move_by(offset_rad)
    bench.tick()
    assert bench.state == (RunState.MOVING, StopReason.NONE)
    return bench
