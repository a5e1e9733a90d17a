# SPDX-License-Identifier: Apache-2.0
"""Steps as the messages that a robot's drivers and cameras would have sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from cosmos_policy_ros.errors import ObservationError, RecordingError
from cosmos_policy_ros.recording.encode import header
from cosmos_policy_ros.recording.step import NS_PER_S, Step
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.joint_vector import joint_vector_from_state
from cosmos_policy_ros.spec.robot import ArmSpec, RobotSpec

JOINT_STATE, COMPRESSED_IMAGE, GROUP_COMMAND, SINGLE_COMMAND = (
    'sensor_msgs/msg/JointState', 'sensor_msgs/msg/CompressedImage',
    'interbotix_xs_msgs/msg/JointGroupCommand', 'interbotix_xs_msgs/msg/JointSingleCommand')


class OutgoingMessage(NamedTuple):
    """A message that is to be recorded, with the time at which it was received in [ns]."""

    topic: str
    type_name: str
    time_ns: int
    fields: dict[str, Any]


def step_messages(
    step: Step, robot: RobotSpec, names: Mapping[str, str], rate_hz: Fraction,
) -> Iterator[OutgoingMessage]:
    """Return what is recorded of a step: measurements and images at its time, then commands.

    Commands come half a period later: `resample` finds them in force one period after the step.

    Args:
        step: The step.
        robot: Robot of the episode.
        names: Names inside our nodes to those of the robot.
        rate_hz: Steps per second.

    Raises:
        RecordingError: If the joints cannot be a measurement of that robot.
    """
    parts = {arm.side: ALOHA.arm_slice(index) for index, arm in enumerate(ALOHA.arms)}
    for arm in robot.arms:
        yield OutgoingMessage(names[f'{arm.name}/joint_states'], JOINT_STATE, step.time_ns,
                              _joint_state(arm, step, parts[arm.side]))
    for camera, image in step.images.items():
        yield OutgoingMessage(
            names[f'{camera}/image/compressed'], COMPRESSED_IMAGE, step.time_ns,
            {'header': header(step.time_ns, camera), 'format': 'rgb8; jpeg compressed bgr8',
             'data': image.jpeg})
    command_ns = step.time_ns + int(NS_PER_S / rate_hz / 2)
    for arm in robot.arms:
        *joints, opening = map(float, step.action[parts[arm.side]])
        yield OutgoingMessage(names[f'{arm.name}/commands/joint_group'], GROUP_COMMAND,
                              command_ns, {'name': 'arm', 'cmd': joints})
        yield OutgoingMessage(
            names[f'{arm.name}/commands/joint_single'], SINGLE_COMMAND, command_ns,
            {'name': arm.gripper_joint, 'cmd': arm.gripper.joint_from_opening(opening)})


def _joint_state(arm: ArmSpec, step: Step, part: slice) -> dict[str, Any]:
    *joints, opening = map(float, step.positions[part])
    gripper = arm.gripper
    finger_m = gripper.finger_closed_m + opening * (gripper.finger_open_m
                                                    - gripper.finger_closed_m)
    names = [*arm.joint_names, arm.gripper_joint, arm.finger_joint, 'right_finger']
    positions = [*joints, gripper.joint_from_opening(opening), finger_m, -finger_m]
    try:
        joint_vector_from_state(arm, names, positions)
    except ObservationError as error:
        raise RecordingError(f'step {step.index}: {error}') from error
    stroke_rad = gripper.joint_open_rad - gripper.joint_closed_rad
    return {'header': header(step.time_ns), 'name': names, 'position': positions,
            'velocity': _motors(step.velocities, part, stroke_rad),
            'effort': _motors(step.efforts, part, 1.0)}


def _motors(vector: np.ndarray | None, part: slice, gripper_scale: float) -> list[float]:
    """Values of the motors, then zeros for the fingers, as the driver reports them."""
    if vector is None:
        return []
    *joints, gripper = map(float, vector[part])
    return [*joints, gripper * gripper_scale, 0.0, 0.0]
