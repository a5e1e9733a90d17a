# SPDX-License-Identifier: Apache-2.0
"""What a driver reports about one arm as vectors: looked up by name, checked for plausibility."""

from __future__ import annotations

from collections.abc import Sequence
import math

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.leader import LeaderSpec
from cosmos_policy_ros.spec.robot import ArmSpec

FAILED_READ_TOLERANCE_RAD = 1e-3
FAR_OUTSIDE_LIMITS_RAD = 0.2


def joint_vector_from_state(
    arm: ArmSpec, names: Sequence[str], positions: Sequence[float],
) -> np.ndarray:
    """Return arm joints in [rad] and gripper opening of a driver's joint state.

    Args:
        arm: The arm that the driver moves.
        names: Joint names in any order.
        positions: Arm joints in [rad], finger in [m], one per name.

    Returns:
        Shape (J + 1,), float64. The opening is calibrated, never clipped.

    Raises:
        ObservationError: If a joint is missing, the lengths differ, or the values cannot be a
            measurement: not finite, a failed read, or far outside the joint limits.
    """
    *joints, finger_m = look_up(arm, names, positions, (*arm.joint_names, arm.finger_joint))
    _check_plausible(arm, joints)
    return np.array([*joints, arm.gripper.opening_from_finger(finger_m)])


def motor_vector_from_state(
    arm: ArmSpec, names: Sequence[str], values: Sequence[float],
) -> np.ndarray | None:
    """Return velocities or efforts of the arm motors, then of the gripper motor.

    Args:
        arm: The arm that the driver moves.
        names: Joint names in any order.
        values: One per name, or empty.

    Returns:
        Shape (J + 1,), float64, in the driver's unit; None if nothing was reported.

    Raises:
        ObservationError: If a motor is missing, the lengths differ or a value is not finite.
    """
    if not len(values):
        return None
    return np.array(look_up(arm, names, values, (*arm.joint_names, arm.gripper_joint)))


def look_up(
    arm: ArmSpec | LeaderSpec, names: Sequence[str], values: Sequence[float],
    wanted: Sequence[str],
) -> list[float]:
    """Return the values of the wanted joints.

    Raises:
        ObservationError: If one is missing or not finite, or the names are not one per value.
    """
    if len(names) != len(values) or len(set(names)) != len(names):
        raise ObservationError(
            f'{arm.name}: {len(values)} values for the joints {list(names)}; one value per name '
            'and no name twice are required')
    by_name = dict(zip(names, values))
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise ObservationError(
            f'{arm.name}: joint state lacks {", ".join(missing)}; received {list(names)}')
    for name in wanted:
        if not math.isfinite(by_name[name]):
            raise ObservationError(f'{arm.name}: {name} is {by_name[name]}, expected a number')
    return [float(by_name[name]) for name in wanted]


def _check_plausible(arm: ArmSpec, joints: Sequence[float]) -> None:
    # The driver turns a failed read into -pi on every joint and still stamps it freshly.
    if all(abs(angle + math.pi) <= FAILED_READ_TOLERANCE_RAD for angle in joints):
        raise ObservationError(
            f'{arm.name}: every joint is at -pi, which is how the driver reports a failed read')
    for name, angle, lower, upper in zip(arm.joint_names, joints, arm.lower_rad, arm.upper_rad):
        if not lower - FAR_OUTSIDE_LIMITS_RAD <= angle <= upper + FAR_OUTSIDE_LIMITS_RAD:
            raise ObservationError(
                f'{arm.name}: {name} is {angle:.4f} rad; limits are {lower:.4f} to {upper:.4f}, '
                f'{FAR_OUTSIDE_LIMITS_RAD} rad beyond them is implausible')
