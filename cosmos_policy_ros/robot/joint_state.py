# SPDX-License-Identifier: Apache-2.0
"""What a driver reports about one arm, looked up by name and checked for plausibility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.joint_vector import (
    joint_vector_from_state, look_up, motor_vector_from_state)
from cosmos_policy_ros.spec.robot import ArmSpec


@dataclass(frozen=True, kw_only=True)
class JointSample:
    """One measurement of one arm of J arm joints.

    Attributes:
        positions: Arm joints in [rad], then the gripper opening, 0 closed to 1 open and not
            clipped. Shape (J + 1,), float64.
        stamp_ns: Time of the measurement in [ns].
        gripper_angle_rad: Angle of the gripper motor in [rad]; None if it was not reported.
        velocities: Arm joints, then gripper motor, in [rad/s]. Shape (J + 1,); None if not
            reported.
        efforts: Arm joints, then gripper motor, in [mA]. Shape (J + 1,); None if not reported.

    Raises:
        ObservationError: If an array has the wrong shape or is not finite.
    """

    positions: np.ndarray
    stamp_ns: int
    gripper_angle_rad: float | None = None
    velocities: np.ndarray | None = None
    efforts: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, size in (('positions', None), ('velocities', len(self.positions)),
                           ('efforts', len(self.positions))):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, locked_array(
                    f'joint {name}', value, dtype=np.float64, shape=(size,),
                    error=ObservationError))


def joint_sample_from_state(
    arm: ArmSpec, names: Sequence[str], positions: Sequence[float], *, stamp_ns: int,
    velocities: Sequence[float] = (), efforts: Sequence[float] = (),
) -> JointSample:
    """Return the measurement in a driver's joint state.

    Args:
        arm: The arm that the driver moves.
        names: Joint names in any order.
        positions: Arm joints and gripper motor in [rad], finger in [m], one per name.
        stamp_ns: Time of the measurement in [ns].
        velocities: One per name in [rad/s], or empty.
        efforts: One per name in [mA], or empty.

    Raises:
        ObservationError: As `joint_vector_from_state`, and for velocities and efforts that are
            not finite or not one per name.
    """
    vector = joint_vector_from_state(arm, names, positions)
    has_gripper_angle = arm.gripper_joint in names
    return JointSample(
        positions=vector, stamp_ns=stamp_ns,
        gripper_angle_rad=(
            look_up(arm, names, positions, [arm.gripper_joint])[0] if has_gripper_angle else None),
        velocities=motor_vector_from_state(arm, names, velocities),
        efforts=motor_vector_from_state(arm, names, efforts))
