# SPDX-License-Identifier: Apache-2.0
"""What a driver reports about one arm, looked up by name and checked for plausibility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.robot import ArmSpec

FAILED_READ_TOLERANCE_RAD = 1e-3
FAR_OUTSIDE_LIMITS_RAD = 0.2


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
    motors = (*arm.joint_names, arm.gripper_joint)
    has_gripper_angle = arm.gripper_joint in names
    return JointSample(
        positions=vector, stamp_ns=stamp_ns,
        gripper_angle_rad=(
            _look_up(arm, names, positions, motors)[-1] if has_gripper_angle else None),
        velocities=_look_up(arm, names, velocities, motors) if len(velocities) else None,
        efforts=_look_up(arm, names, efforts, motors) if len(efforts) else None)


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
    *joints, finger_m = _look_up(arm, names, positions, (*arm.joint_names, arm.finger_joint))
    _check_plausible(arm, joints)
    return np.array([*joints, arm.gripper.opening_from_finger(finger_m)])


def _look_up(
    arm: ArmSpec, names: Sequence[str], values: Sequence[float], wanted: Sequence[str],
) -> list[float]:
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
