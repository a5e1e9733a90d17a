# SPDX-License-Identifier: Apache-2.0
"""Tasks of the simulated robot: which scene, where objects start, and when the task is done.

A task is a class with the members of `Task`; `TASKS` lists them by text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError

TASK_PERIOD_NS = 20_000_000


@dataclass(frozen=True, kw_only=True)
class TaskStatus:
    """How far an episode has come.

    Attributes:
        stage: Index into the task's stages; the last one is not yet success.
        stage_name: What that stage means.
        held_steps: Consecutive 50 Hz steps for which the success condition has held.
        is_success: Whether the condition has held long enough, once, since the reset.
    """

    stage: int
    stage_name: str
    held_steps: int
    is_success: bool


class Task(Protocol):
    """What `AlohaWorld` and `SimulatedAloha` need of a task."""

    text: str
    scene: str

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> None:
        """Place the objects for a seed and forget the episode before."""

    def update(self, model: mujoco.MjModel, data: mujoco.MjData) -> TaskStatus:
        """Judge the present state; called every 20 ms of simulated time."""


class TransferCube:
    """The right gripper picks a red cube and hands it to the left one.

    Success is strict: the left gripper touches the cube, the right one does not, the table does
    not, for 25 consecutive steps of 20 ms. Stages before it are information only.
    """

    text = 'transfer the cube'
    scene = 'bimanual_viperx_transfer_cube.xml'
    stages = ('approaching', 'right gripper touches', 'right gripper lifts', 'both grippers hold',
              'left gripper holds alone')
    success_steps = 25
    cube_low_m = (0.0, 0.4)
    cube_high_m = (0.2, 0.6)
    cube_height_m = 0.02

    def __init__(self) -> None:
        self._held_steps = 0
        self._is_success = False

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> None:
        """Put the cube on the table, uniformly over 0.2 m by 0.2 m, unturned."""
        self._held_steps, self._is_success = 0, False
        xy = np.random.default_rng(seed).uniform(self.cube_low_m, self.cube_high_m)
        data.joint('red_box_joint').qpos[:] = [*xy, self.cube_height_m, 1.0, 0.0, 0.0, 0.0]

    def update(self, model: mujoco.MjModel, data: mujoco.MjData) -> TaskStatus:
        """Judge the contacts of the cube."""
        touching = bodies_touching(model, data, 'box')
        left = any(name.startswith('vx300s_left/') for name in touching)
        right = any(name.startswith('vx300s_right/') for name in touching)
        table = 'table' in touching
        holds = left and not right and not table
        self._held_steps = self._held_steps + 1 if holds else 0
        self._is_success = self._is_success or self._held_steps >= self.success_steps
        stage = transfer_stage(left, right, table)
        return TaskStatus(stage=stage, stage_name=self.stages[stage],
                          held_steps=self._held_steps, is_success=self._is_success)


def transfer_stage(left: bool, right: bool, table: bool) -> int:
    """Stage of a transfer by what touches the cube: left gripper, right gripper, table."""
    if left and not table:
        return 3 if right else 4
    return (1 if table else 2) if right else 0


def bodies_touching(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> set[str]:
    """Names of the bodies in contact with a body."""
    body_id = model.body(body).id
    pairs: Iterable[np.ndarray] = model.geom_bodyid[data.contact.geom]
    others = {int(b if a == body_id else a) for a, b in pairs if body_id in (a, b)}
    return {model.body(other).name for other in others}


TASKS: dict[str, type[Task]] = {TransferCube.text: TransferCube}


def make_task(text: str) -> Task:
    """Return a fresh task with that text.

    Raises:
        ConfigurationError: If no task has it.
    """
    if text not in TASKS:
        raise ConfigurationError(f'unknown simulated task {text!r}; known: {", ".join(TASKS)}')
    return TASKS[text]()
