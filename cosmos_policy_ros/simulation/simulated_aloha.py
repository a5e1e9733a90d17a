# SPDX-License-Identifier: Apache-2.0
"""The whole simulated robot: physics, one driver per arm and the task, on one clock.

One lock guards everything, so that a timer may advance, callbacks may command and a camera thread
may take snapshots. Times are those of the caller's clock, real or virtual; simulated time follows
`advance_to` in ticks of 4 ms and never runs by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading

import mujoco
import numpy as np

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.task import TASK_PERIOD_NS, TaskStatus
from cosmos_policy_ros.simulation.tasks import make_task
from cosmos_policy_ros.simulation.transfer_cube import TransferCube
from cosmos_policy_ros.simulation.visual_model import load_visual_model
from cosmos_policy_ros.simulation.world import AlohaWorld, WorldSnapshot
from cosmos_policy_ros.simulation.xs_driver import XsDriver
from cosmos_policy_ros.simulation.xs_joint_states import JointStates
from cosmos_policy_ros.spec.robot import RobotSpec

TICK_NS = 4_000_000
TICK_S = TICK_NS / 1e9
START_POSES = ('start', 'sleep')


class SimulatedAloha:
    """A robot that behaves like ALOHA behind its vendor's drivers. Thread-safe.

    Args:
        robot: The robot; arms are addressed by their names, for example `follower_left`.
        log: Called with level and text by the drivers, while the robot's lock is held.
        task: Name of the task.
        trajectory_timing: `faithful` or `correct`, see `xs_trajectory`.
        is_strict: Whether commands to unknown groups end a driver, as they do the vendor's.
    """

    def __init__(self, robot: RobotSpec, *, log: Callable[[str, str], None],
                 task: str = TransferCube.name, trajectory_timing: str = 'faithful',
                 is_strict: bool = False) -> None:
        self._lock = threading.Lock()
        self._world = AlohaWorld(robot, make_task(task))
        self._drivers = {
            arm.name: XsDriver(arm, log=log, trajectory_timing=trajectory_timing,
                               is_strict=is_strict)
            for arm in robot.arms}
        self.robot = robot
        self.reset(seed=0, now_ns=0)

    @property
    def model(self) -> mujoco.MjModel:
        """The MuJoCo model; read-only by agreement."""
        return self._world.model

    def load_visual_model(self) -> mujoco.MjModel:
        """Compile a model for a renderer: the same scene, quicker to draw."""
        return load_visual_model(self._world.task)

    @property
    def task_name(self) -> str:
        """Name of the task."""
        return self._world.task.name

    @property
    def task_text(self) -> str:
        """What a policy is told to do."""
        return self._world.task.text

    def object_poses(self) -> dict[str, np.ndarray]:
        """Object of the task to its position in [m] and orientation w x y z, shape (7,)."""
        with self._lock:
            return self._world.task.object_poses(self._world.model, self._world.data.qpos)

    def reset(self, *, seed: int, now_ns: int, start_pose: str = 'start',
              gripper_opening: float = 0.0) -> None:
        """Put the arms at rest in a pose and the objects where the seed wants them.

        Modes, torque, registers and faults of the drivers stay as they are.

        Args:
            seed: Seed of the object positions.
            now_ns: Time of the reset in [ns]; simulated time continues from there.
            start_pose: `start` (ALOHA's start pose) or `sleep`.
            gripper_opening: Opening of both grippers, 0 closed to 1 open.

        Raises:
            ConfigurationError: If there is no such pose.
        """
        if start_pose not in START_POSES:
            raise ConfigurationError(
                f'start_pose is {start_pose!r}; allowed: {", ".join(START_POSES)}')
        pose = np.array([x for arm in self.robot.arms for x in (
            *(arm.start_rad if start_pose == 'start' else arm.sleep_rad), gripper_opening)])
        with self._lock:
            self._world.reset(seed, pose)
            self._stamp_ns = now_ns
            self._status = self._world.judge()
            self._task_due_ns = now_ns + TASK_PERIOD_NS
            for index, driver in enumerate(self._drivers.values()):
                driver.rest_at(self._world.read_motors(index))

    def reset_objects(self, seed: int) -> None:
        """Put the objects where the seed wants them, while the arms go on as they are."""
        with self._lock:
            self._world.reset_objects(seed)
            self._status = self._world.judge()

    def advance_to(self, now_ns: int) -> int:
        """Simulate up to the last tick that is not later than `now_ns`; return ticks done.

        The lock is released between ticks, so commands get in during a long catch-up.
        """
        ticks = 0
        while self._tick_if_due(now_ns):
            ticks += 1
        return ticks

    @contextmanager
    def driver(self, arm_name: str) -> Iterator[XsDriver]:
        """Lend the driver of an arm while holding the lock.

        The lock is not re-entrant: inside, call the driver only, not the robot.

        Raises:
            ConfigurationError: If there is no such arm.
        """
        if arm_name not in self._drivers:
            raise ConfigurationError(
                f'no arm {arm_name!r}; the robot has {", ".join(self._drivers)}')
        with self._lock:
            yield self._drivers[arm_name]

    def joint_states(self, arm_name: str) -> JointStates | None:
        """Return an arm's joint states at `stamp_ns`; None while its driver is busy or dead."""
        with self.driver(arm_name) as driver:
            return driver.joint_states(self._stamp_ns)

    def snapshot(self) -> WorldSnapshot:
        """Copy what a renderer needs, stamped with its simulated time."""
        with self._lock:
            return self._world.snapshot(self._stamp_ns)

    @property
    def stamp_ns(self) -> int:
        """Time up to which is simulated, in [ns] of the caller's clock."""
        with self._lock:
            return self._stamp_ns

    @property
    def status(self) -> TaskStatus:
        """How far the task has come."""
        with self._lock:
            return self._status

    def _tick_if_due(self, now_ns: int) -> bool:
        with self._lock:
            if self._stamp_ns + TICK_NS > now_ns:
                return False
            for index, driver in enumerate(self._drivers.values()):
                readings = self._world.read_motors(index)
                self._world.set_goals(index, driver.step(self._stamp_ns, readings, TICK_S))
            self._world.advance(TICK_S)
            self._stamp_ns += TICK_NS
            if self._stamp_ns >= self._task_due_ns:
                self._status = self._world.judge()
                self._task_due_ns += TASK_PERIOD_NS
            return True
