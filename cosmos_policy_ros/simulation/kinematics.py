# SPDX-License-Identifier: Apache-2.0
"""Where a gripper is for given joints, and which joints put it there.

Frames: a gripper pose is its grasp point in world coordinates and the rotation of the gripper
link, whose x axis points out of the fingers, y along their travel and z away from the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.spec.robot import ArmSpec

# Distance in [m] of the grasp point from the gripper link; the finger tips are 14 mm further out.
GRASP_POINT_M = 0.14
LIMIT_MARGIN_RAD = 0.05

_DAMPING = 1e-4
_MAX_STEP_RAD = 0.2
_MAX_ITERATIONS = 100
_POSITION_TOLERANCE_M = 2e-4
_ROTATION_TOLERANCE_RAD = 2e-3


@dataclass(frozen=True, kw_only=True)
class GripperPose:
    """Pose of a gripper in the world.

    Attributes:
        position_m: Grasp point in [m]. Shape (3,).
        quaternion: Rotation of the gripper link, w x y z, of unit length. Shape (4,).
    """

    position_m: np.ndarray
    quaternion: np.ndarray


class ArmKinematics:
    """Forward and inverse kinematics of one arm, with a private MjData."""

    def __init__(self, model: mujoco.MjModel, arm: ArmSpec) -> None:
        self._arm = arm
        self._model = model
        self._data = mujoco.MjData(model)
        first = model.joint(f'vx300s_{arm.side}/{arm.joint_names[0]}')
        count = len(arm.joint_names)
        self._qpos = slice(first.qposadr[0], first.qposadr[0] + count)
        self._dofs = slice(first.dofadr[0], first.dofadr[0] + count)
        self._body = model.body(f'vx300s_{arm.side}/gripper_link').id
        self._lower = np.add(arm.lower_rad, LIMIT_MARGIN_RAD)
        self._upper = np.subtract(arm.upper_rad, LIMIT_MARGIN_RAD)
        self._jacobian = np.zeros((6, model.nv))

    def pose(self, joints: np.ndarray) -> GripperPose:
        """Pose of the gripper at joints in [rad]. Shape (6,)."""
        self._data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(self._model, self._data)
        rotation = self._data.xmat[self._body].reshape(3, 3)
        return GripperPose(
            position_m=self._data.xpos[self._body] + GRASP_POINT_M * rotation[:, 0],
            quaternion=self._data.xquat[self._body].copy())

    def joints(self, target: GripperPose, near: np.ndarray) -> np.ndarray:
        """Joints in [rad] that reach a pose, found by damped least squares from `near`.

        Args:
            target: Pose to reach.
            near: Joints to start from in [rad]; the answer is the solution next to it. Shape (6,).

        Raises:
            PredictionError: If no joints within the limits (less a margin) reach the pose.
        """
        joints = np.array(near, dtype=np.float64)
        for _ in range(_MAX_ITERATIONS):
            error = self._error(target, joints)
            if (np.linalg.norm(error[:3]) < _POSITION_TOLERANCE_M
                    and np.linalg.norm(error[3:]) < _ROTATION_TOLERANCE_RAD):
                return joints
            step = self._damped_step(error)
            step *= min(1.0, _MAX_STEP_RAD / np.abs(step).max())
            joints = np.clip(joints + step, self._lower, self._upper)
        raise PredictionError(
            f'{self._arm.name} cannot reach {target.position_m.round(3).tolist()} m; '
            f'{np.linalg.norm(error[:3]) * 1e3:.1f} mm are missing')

    def _error(self, target: GripperPose, joints: np.ndarray) -> np.ndarray:
        pose = self.pose(joints)
        rotation = np.empty(3)
        # mju_subQuat gives the difference in the gripper's frame; the Jacobian is the world's.
        mujoco.mju_subQuat(rotation, target.quaternion, pose.quaternion)
        rotation = self._data.xmat[self._body].reshape(3, 3) @ rotation
        return np.concatenate([target.position_m - pose.position_m, rotation])

    def _damped_step(self, error: np.ndarray) -> np.ndarray:
        point = (self._data.xpos[self._body]
                 + GRASP_POINT_M * self._data.xmat[self._body].reshape(3, 3)[:, 0])
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jac(self._model, self._data, self._jacobian[:3], self._jacobian[3:], point,
                      self._body)
        J = self._jacobian[:, self._dofs]
        return J.T @ np.linalg.solve(J @ J.T + _DAMPING * np.eye(6), error)
