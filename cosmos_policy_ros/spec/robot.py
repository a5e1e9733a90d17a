# SPDX-License-Identifier: Apache-2.0
"""What a bimanual robot is: joints, limits, gripper calibration, cameras, poses."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np

from cosmos_policy_ros.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class GripperGeometry:
    """Crank that turns the gripper motor's angle into a finger position.

    Attributes:
        horn_radius_m: Length of the motor horn in [m].
        arm_length_m: Length of the link from horn to finger in [m].
    """

    horn_radius_m: float
    arm_length_m: float

    def finger_from_angle(self, angle_rad: float) -> float:
        """Distance in [m] of one finger from the centre at a motor angle in [rad]."""
        h, L = self.horn_radius_m, self.arm_length_m
        return h * math.sin(angle_rad) + math.sqrt(L**2 - (h * math.cos(angle_rad))**2)

    def angle_from_separation(self, separation_m: float) -> float:
        """Motor angle in [rad] at which the fingers are `separation_m` apart in [m].

        Raises:
            ConfigurationError: If the crank cannot reach that separation.
        """
        h, L, r = self.horn_radius_m, self.arm_length_m, separation_m / 2
        cosine = (h**2 + r**2 - L**2) / (2 * h * r) if r > 0 else math.inf
        if abs(cosine) > 1:
            raise ConfigurationError(
                f'gripper separation {separation_m} m is out of reach; the crank allows '
                f'{2 * (L - h):.4f} to {2 * (L + h):.4f} m')
        return math.pi / 2 - math.acos(cosine)


@dataclass(frozen=True, kw_only=True)
class GripperCalibration:
    """Which readings mean closed (0) and open (1). Observations are never clipped to [0, 1].

    Attributes:
        finger_closed_m: Finger position reported when closed in [m].
        finger_open_m: Finger position reported when open in [m].
        joint_closed_rad: Motor angle commanded to close in [rad].
        joint_open_rad: Motor angle commanded to open in [rad].
    """

    finger_closed_m: float
    finger_open_m: float
    joint_closed_rad: float
    joint_open_rad: float

    def opening_from_finger(self, finger_m: float) -> float:
        """Opening (0 closed, 1 open, not clipped) at a finger position in [m]."""
        return (finger_m - self.finger_closed_m) / (self.finger_open_m - self.finger_closed_m)

    def joint_from_opening(self, opening: float) -> float:
        """Motor angle in [rad] that commands an opening (0 closed, 1 open)."""
        return self.joint_closed_rad + opening * (self.joint_open_rad - self.joint_closed_rad)

    def opening_from_joint(self, joint_rad: float) -> float:
        """Opening that a motor angle in [rad] commands; inverse of `joint_from_opening`."""
        return (joint_rad - self.joint_closed_rad) / (self.joint_open_rad - self.joint_closed_rad)


@dataclass(frozen=True, kw_only=True)
class ArmSpec:
    """One arm with its gripper.

    Attributes:
        name: Name of the arm and of its ROS namespace, for example `follower_left`.
        side: Prefix of its joints in the 14-vector: `left` or `right`.
        joint_names: Names of the arm joints as the driver reports them.
        lower_rad: Lower position limits in [rad], one per arm joint.
        upper_rad: Upper position limits in [rad], one per arm joint.
        velocity_limit_rad_s: Speed limit of every joint in [rad/s].
        gripper_joint: Name of the gripper motor as the driver reports it.
        finger_joint: Name of the finger whose position is the gripper's observation.
        gripper: Calibration of the gripper.
        geometry: Crank of the gripper.
        start_rad: Arm joints at the start of an episode in [rad].
        sleep_rad: Arm joints at rest in [rad], inside the limits.
    """

    name: str
    side: str
    joint_names: tuple[str, ...]
    lower_rad: tuple[float, ...]
    upper_rad: tuple[float, ...]
    velocity_limit_rad_s: float
    gripper_joint: str
    finger_joint: str
    gripper: GripperCalibration
    geometry: GripperGeometry
    start_rad: tuple[float, ...]
    sleep_rad: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """One camera.

    Attributes:
        name: Name of the camera, for example `cam_high`.
        width: Image width in [px].
        height: Image height in [px].
    """

    name: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class RobotSpec:
    """A robot whose joint vector is its arms in order, each followed by its gripper opening.

    Attributes:
        name: Name of the preset.
        arms: The arms in the order of the joint vector.
        cameras: Cameras that the robot may have.
    """

    name: str
    arms: tuple[ArmSpec, ...]
    cameras: tuple[CameraSpec, ...]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joint vector: `left_waist`, ..., `left_gripper`, `right_waist`, ..."""
        return tuple(f'{arm.side}_{joint}' for arm in self.arms
                     for joint in (*arm.joint_names, 'gripper'))

    @property
    def num_joints(self) -> int:
        """Length of the joint vector."""
        return len(self.joint_names)

    @property
    def gripper_indices(self) -> tuple[int, ...]:
        """Indices of the gripper openings in the joint vector, one per arm."""
        return tuple(s.stop - 1 for s in map(self.arm_slice, range(len(self.arms))))

    def arm_slice(self, arm_index: int) -> slice:
        """Return the part of the joint vector that belongs to an arm, gripper last."""
        start = sum(len(arm.joint_names) + 1 for arm in self.arms[:arm_index])
        return slice(start, start + len(self.arms[arm_index].joint_names) + 1)

    @property
    def lower(self) -> np.ndarray:
        """Lower limits of the joint vector, arms in [rad], grippers 0. Shape (A,)."""
        return np.array([x for arm in self.arms for x in (*arm.lower_rad, 0.0)])

    @property
    def upper(self) -> np.ndarray:
        """Upper limits of the joint vector, arms in [rad], grippers 1. Shape (A,)."""
        return np.array([x for arm in self.arms for x in (*arm.upper_rad, 1.0)])

    @property
    def velocity_limit(self) -> np.ndarray:
        """Speed limits of the joint vector, arms in [rad/s], grippers in [1/s]. Shape (A,)."""
        limits = []
        for arm in self.arms:
            stroke_rad = abs(arm.gripper.joint_open_rad - arm.gripper.joint_closed_rad)
            limits += [arm.velocity_limit_rad_s] * len(arm.joint_names)
            limits.append(arm.velocity_limit_rad_s / stroke_rad)
        return np.array(limits)

    @property
    def start_pose(self) -> np.ndarray:
        """Joint vector at the start of an episode, grippers closed. Shape (A,)."""
        return np.array([x for arm in self.arms for x in (*arm.start_rad, 0.0)])

    @property
    def open_start_pose(self) -> np.ndarray:
        """Joint vector at the start of an episode, but with open grippers. Shape (A,)."""
        return np.array([x for arm in self.arms for x in (*arm.start_rad, 1.0)])

    @property
    def sleep_pose(self) -> np.ndarray:
        """Joint vector at rest, grippers open so that nothing stays in them. Shape (A,)."""
        return np.array([x for arm in self.arms for x in (*arm.sleep_rad, 1.0)])

    def camera(self, name: str) -> CameraSpec:
        """Return the camera of that name.

        Raises:
            ConfigurationError: If the robot has no such camera.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise ConfigurationError(
            f'unknown camera {name!r}; robot {self.name!r} has '
            f'{", ".join(camera.name for camera in self.cameras)}')
