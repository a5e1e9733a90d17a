# SPDX-License-Identifier: Apache-2.0
"""The arms that a teleoperator holds: their grippers, and which angle gives the start cue.

Numbers: Interbotix `aloha` constants (branch main and 2.0), tonyzhaozh `aloha` constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.robot import GripperGeometry, RobotSpec


@dataclass(frozen=True, kw_only=True)
class LeaderGripper:
    """Gripper of a leader arm.

    Attributes:
        joint_closed_rad: Motor angle at which it is closed in [rad].
        joint_open_rad: Motor angle at which it is open in [rad].
        start_below_rad: Both leaders below this angle in [rad] are the start cue.
    """

    joint_closed_rad: float
    joint_open_rad: float
    start_below_rad: float

    def opening_from_joint(self, joint_rad: float) -> float:
        """Opening (0 closed, 1 open, not clipped) at a motor angle in [rad]."""
        return (joint_rad - self.joint_closed_rad) / (self.joint_open_rad - self.joint_closed_rad)

    def joint_from_opening(self, opening: float) -> float:
        """Motor angle in [rad] at an opening; inverse of `opening_from_joint`."""
        return self.joint_closed_rad + opening * (self.joint_open_rad - self.joint_closed_rad)


@dataclass(frozen=True, kw_only=True)
class LeaderSpec:
    """One leader arm. Its arm joints have the names and the order of its follower's.

    Attributes:
        name: Name of the arm and of its ROS namespace, for example `leader_left`.
        follower: Name of the arm that follows it.
        joint_names: Names of the arm joints as the driver reports them.
        gripper_joint: Name of the gripper motor as the driver reports it.
        gripper: Its gripper.
        geometry: Crank of the gripper.
    """

    name: str
    follower: str
    joint_names: tuple[str, ...]
    gripper_joint: str
    gripper: LeaderGripper
    geometry: GripperGeometry


INTERBOTIX_LEADER = LeaderGripper(
    joint_closed_rad=-0.0552, joint_open_rad=0.8298, start_below_rad=0.0)
ALOHA_V1_LEADER = LeaderGripper(
    joint_closed_rad=-0.6842, joint_open_rad=0.3083, start_below_rad=-0.3)
# Interbotix `aloha_wx250s`, and the `wx250s` of the first ALOHA.
ALOHA_WX250S_GEOMETRY = GripperGeometry(horn_radius_m=0.020, arm_length_m=0.020)
WX250S_GEOMETRY = GripperGeometry(horn_radius_m=0.014, arm_length_m=0.024)
LEADER_GRIPPERS = {'interbotix': INTERBOTIX_LEADER, 'interbotix_2_0': INTERBOTIX_LEADER,
                   'aloha_v1': ALOHA_V1_LEADER}


def leader_specs(robot: RobotSpec) -> tuple[LeaderSpec, ...]:
    """Return the leader of every arm of a robot, in the robot's order.

    Raises:
        ConfigurationError: If nothing is known of the leaders of that robot.
    """
    if robot.name not in LEADER_GRIPPERS:
        raise ConfigurationError(f'no leader arms are known for robot {robot.name!r}; '
                                 f'known: {", ".join(LEADER_GRIPPERS)}')
    return tuple(LeaderSpec(
        name=f'leader_{arm.side}', follower=arm.name, joint_names=arm.joint_names,
        gripper_joint=arm.gripper_joint, gripper=LEADER_GRIPPERS[robot.name],
        geometry=WX250S_GEOMETRY if robot.name == 'aloha_v1' else ALOHA_WX250S_GEOMETRY)
        for arm in robot.arms)
