# SPDX-License-Identifier: Apache-2.0
"""What a task of the simulated robot is: a scene, where objects start, and when it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from cosmos_policy_ros.simulation.appearance import Appearance

TASK_PERIOD_NS = 20_000_000
SUCCESS_STEPS = 25
# Fingers that knock against an object touch it for a step or two.
STAGE_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class TaskStatus:
    """How far an episode has come.

    Attributes:
        stage: Index into the task's stages: the furthest that was not left in the last 0.1 s. The
            last one is not yet success.
        stage_name: What that stage means.
        share: Share of the stages that is done, 0 to below 1.
        held_steps: Consecutive 50 Hz steps for which the success condition has held.
        is_success: Whether the condition has held long enough, once, since the reset.
    """

    stage: int
    stage_name: str
    share: float
    held_steps: int
    is_success: bool


class Task(ABC):
    """A task; success is its condition held for 25 consecutive steps of 20 ms.

    Attributes:
        name: Name for commands and parameters.
        text: What the policy is told.
        scene: File of the scene.
        stages: What its stages mean, in order. They are information only.
        object_joints: Object to the free joint that carries it.
        appearance: How the scene of the present episode looks.
    """

    name: str
    text: str
    scene: str
    stages: tuple[str, ...]
    object_joints: Mapping[str, str]

    def __init__(self) -> None:
        self._forget()
        self.appearance = Appearance()

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add to the scene what its file lacks."""

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> None:
        """Place the objects for a seed and forget the episode before."""
        self._forget()
        self._place(data, np.random.default_rng(seed))

    def update(self, model: mujoco.MjModel, data: mujoco.MjData) -> TaskStatus:
        """Judge the present state; called every 20 ms of simulated time."""
        stage_now, is_held = self._judge(model, data)
        self._stages.append(stage_now)
        stage = min(self._stages)
        self._held_steps = self._held_steps + 1 if is_held else 0
        self._is_success = self._is_success or self._held_steps >= SUCCESS_STEPS
        return TaskStatus(stage=stage, stage_name=self.stages[stage],
                          share=stage / len(self.stages), held_steps=self._held_steps,
                          is_success=self._is_success)

    def object_poses(self, model: mujoco.MjModel, qpos: np.ndarray) -> dict[str, np.ndarray]:
        """Object to its position in [m] and orientation w x y z. Each of shape (7,)."""
        addresses = {name: model.joint(joint).qposadr[0]
                     for name, joint in self.object_joints.items()}
        return {name: qpos[first:first + 7].copy() for name, first in addresses.items()}

    def _forget(self) -> None:
        self._held_steps, self._is_success = 0, False
        self._stages = deque([0] * STAGE_STEPS, maxlen=STAGE_STEPS)

    @abstractmethod
    def _place(self, data: mujoco.MjData, random: np.random.Generator) -> None:
        """Put the objects on the table, and choose how the scene looks."""

    @abstractmethod
    def _judge(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[int, bool]:
        """Return the stage, and whether the condition of success is met now."""


def bodies_touching(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> set[str]:
    """Names of the bodies in contact with a body."""
    body_id = model.body(body).id
    pairs: Iterable[np.ndarray] = model.geom_bodyid[data.contact.geom]
    others = {int(b if a == body_id else a) for a, b in pairs if body_id in (a, b)}
    return {model.body(other).name for other in others}


def grippers_touching(names: Iterable[str]) -> tuple[bool, bool]:
    """Whether parts of the left and of the right arm are among the bodies."""
    names = tuple(names)
    return tuple(any(name.startswith(f'vx300s_{side}/') for name in names)
                 for side in ('left', 'right'))
