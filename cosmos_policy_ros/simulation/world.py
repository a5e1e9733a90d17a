# SPDX-License-Identifier: Apache-2.0
"""The physics: two ViperX arms, a table and the objects of a task, in motor quantities."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.simulation.appearance import Appearance
from cosmos_policy_ros.simulation.assets import load_spec
from cosmos_policy_ros.simulation.motor_signals import MotorGoals, MotorReadings
from cosmos_policy_ros.simulation.task import Task, TaskStatus
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

# Travel of one finger of gym-aloha's gripper in [m]; the model's own limits are a little narrower.
FINGER_CLOSED_M = 0.01844
FINGER_OPEN_M = 0.058

# Stall torque over stall current at 12 V in [N m/A].
_XM540_NM_A = 10.6 / 4.4
_XM430_NM_A = 4.1 / 2.3
# Shoulder and elbow have two motors each, of which the driver reports one.
_ARM_NM_A = np.array([1, 2, 2, 1, 1, 0]) * _XM540_NM_A + np.array([0, 0, 0, 0, 0, 1]) * _XM430_NM_A

# The gripper motor moves both fingers.
_MOTOR_OF_JOINT = [0, 1, 2, 3, 4, 5, 6, 6]


@dataclass(frozen=True, kw_only=True)
class WorldSnapshot:
    """Enough of the world's state to draw it.

    Attributes:
        stamp_ns: Time of the state in [ns].
        qpos: MuJoCo's generalised positions. Shape (nq,).
        appearance: How the scene looks.
    """

    stamp_ns: int
    qpos: np.ndarray
    appearance: Appearance = Appearance()


class _Arm:
    """Where one arm lives in the model, and its gripper's calibration."""

    def __init__(self, model: mujoco.MjModel, spec: ArmSpec) -> None:
        prefix = f'vx300s_{spec.side}'
        joints = [model.joint(f'{prefix}/{name}') for name in
                  (*spec.joint_names, 'left_finger', 'right_finger')]
        first = joints[0]
        # One arm's joints and actuators are consecutive in the model: slices are views.
        self.qpos = slice(first.qposadr[0], first.qposadr[0] + 8)
        self.qvel = slice(first.dofadr[0], first.dofadr[0] + 8)
        actuator_ids = [int(np.flatnonzero(model.actuator_trnid[:, 0] == joint.id)[0])
                        for joint in joints]
        self.ctrl = slice(actuator_ids[0], actuator_ids[0] + 8)
        self.range = model.actuator_ctrlrange[self.ctrl]
        kp = model.actuator_gainprm[self.ctrl, 0]
        self._gripper = spec.gripper
        self.slope_m_rad = ((FINGER_OPEN_M - FINGER_CLOSED_M)
                            / (spec.gripper.joint_open_rad - spec.gripper.joint_closed_rad))
        finger_n_a = _XM430_NM_A / self.slope_m_rad / 2
        self.a_per_effort = 1 / np.append(_ARM_NM_A, [finger_n_a, finger_n_a])
        self.reach_per_ma = 1e-3 / self.a_per_effort / kp

    def finger_m(self, angle_rad: float) -> float:
        opening = self._gripper.opening_from_joint(angle_rad)
        return FINGER_CLOSED_M + opening * (FINGER_OPEN_M - FINGER_CLOSED_M)

    def angle_rad(self, finger_m: float) -> float:
        opening = (finger_m - FINGER_CLOSED_M) / (FINGER_OPEN_M - FINGER_CLOSED_M)
        return self._gripper.joint_from_opening(opening)

    def to_model(self, motors: np.ndarray) -> np.ndarray:
        """Motor angles (7,) as the eight joint positions of the model."""
        joints = motors[_MOTOR_OF_JOINT]
        joints[6] = self.finger_m(motors[6])
        joints[7] = -joints[6]
        return joints


class AlohaWorld:
    """MuJoCo model and state of the robot, its task and the table.

    Arms are numbered as in the `RobotSpec`. Motor vectors hold the six joints and the gripper
    motor's angle; the calibration maps that angle linearly onto the model's finger travel.
    Not thread-safe.
    """

    def __init__(self, robot: RobotSpec, task: Task) -> None:
        self.robot = robot
        self.task = task
        spec = load_spec(task.scene)
        task.add_objects(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._arms = [_Arm(self.model, arm) for arm in robot.arms]

    @property
    def time_s(self) -> float:
        """Simulated time since the reset in [s]."""
        return self.data.time

    def reset(self, seed: int, pose: np.ndarray) -> None:
        """Put the robot at rest in a pose and the objects where the seed wants them.

        Args:
            seed: Seed of the object positions.
            pose: Joint vector, arms in [rad], grippers 0 closed to 1 open. Shape (A,).
        """
        mujoco.mj_resetData(self.model, self.data)
        for index, (arm, spec) in enumerate(zip(self._arms, self.robot.arms)):
            motors = np.array(pose[self.robot.arm_slice(index)], dtype=np.float64)
            motors[6] = spec.gripper.joint_from_opening(motors[6])
            positions = np.clip(arm.to_model(motors), *arm.range.T)
            self.data.qpos[arm.qpos] = positions
            self.data.ctrl[arm.ctrl] = positions
        self.task.reset(self.model, self.data, seed)
        mujoco.mj_forward(self.model, self.data)

    def reset_objects(self, seed: int) -> None:
        """Put the objects, at rest, where the seed wants them; the arms are not touched."""
        is_object = np.ones(self.model.nv, dtype=bool)
        for arm in self._arms:
            is_object[arm.qvel] = False
        self.data.qvel[is_object] = 0.0
        self.task.reset(self.model, self.data, seed)
        mujoco.mj_forward(self.model, self.data)

    def read_motors(self, arm_index: int) -> MotorReadings:
        """Measured state of one arm's motors."""
        arm = self._arms[arm_index]
        qpos, qvel = self.data.qpos[arm.qpos], self.data.qvel[arm.qvel]
        amperes = self.data.actuator_force[arm.ctrl] * arm.a_per_effort
        positions, velocities, efforts_ma = qpos[:7].copy(), qvel[:7].copy(), amperes[:7] * 1e3
        positions[6] = arm.angle_rad((qpos[6] - qpos[7]) / 2)
        velocities[6] = (qvel[6] - qvel[7]) / 2 / arm.slope_m_rad
        efforts_ma[6] = (amperes[6] - amperes[7]) / 2 * 1e3
        return MotorReadings(
            positions_rad=positions, velocities_rad_s=velocities, efforts_ma=efforts_ma)

    def set_goals(self, arm_index: int, goals: MotorGoals) -> None:
        """Aim one arm's actuators; they keep aiming there until told otherwise.

        Raises:
            RobotError: If a goal is not a number.
        """
        arm = self._arms[arm_index]
        reach = goals.ceilings_ma[_MOTOR_OF_JOINT] * arm.reach_per_ma
        qpos = self.data.qpos[arm.qpos]
        ctrl = qpos + np.clip(arm.to_model(goals.positions_rad) - qpos, -reach, reach)
        if not np.isfinite(ctrl).all():
            raise RobotError(
                f'goals of arm {arm_index} are not finite: {goals.positions_rad.tolist()}')
        self.data.ctrl[arm.ctrl] = ctrl

    def advance(self, duration_s: float) -> None:
        """Step the physics; `duration_s` is rounded to whole steps of the model."""
        steps = round(duration_s / self.model.opt.timestep)
        mujoco.mj_step(self.model, self.data, nstep=steps)

    def judge(self) -> TaskStatus:
        """Ask the task about the present state; due every 20 ms of simulated time."""
        return self.task.update(self.model, self.data)

    def snapshot(self, stamp_ns: int) -> WorldSnapshot:
        """Copy what a renderer needs."""
        qpos = self.data.qpos.copy()
        qpos.setflags(write=False)
        return WorldSnapshot(stamp_ns=stamp_ns, qpos=qpos, appearance=self.task.appearance)
