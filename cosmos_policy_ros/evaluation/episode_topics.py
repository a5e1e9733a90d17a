# SPDX-License-Identifier: Apache-2.0
"""Which topic of an episode is what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.recording.image_encoding import stored_image_topic
from cosmos_policy_ros.spec.robot import RobotSpec


@dataclass(frozen=True, kw_only=True)
class EpisodeTopics:
    """Names of the topics that are evaluated. A topic may be missing from an episode.

    Attributes:
        joint_states: Arm to its measured joints, sensor_msgs/JointState.
        group_commands: Arm to the commands of its joints, interbotix_xs_msgs/JointGroupCommand.
        gripper_commands: Arm to the commands of its gripper, JointSingleCommand.
        cameras: Camera to its images: Image, CompressedImage or CompressedVideo.
        predicted: Camera to the images that the policy imagined, stamped with the imagined time.
        chunks: Answers of the policy, cosmos_policy_ros/ActionChunk.
        plans: What planning did, cosmos_policy_ros/Plan.
        prediction_errors: How wrong predictions were, cosmos_policy_ros/PredictionError.
        arm_status: State of the arm node, cosmos_policy_ros/ArmStatus.
        simulation_status: State of the simulation, cosmos_policy_ros/SimulationStatus.
    """

    joint_states: Mapping[str, str]
    group_commands: Mapping[str, str]
    gripper_commands: Mapping[str, str]
    cameras: Mapping[str, str]
    predicted: Mapping[str, str]
    chunks: str = '/policy_node/action_chunk'
    plans: str = '/policy_node/plan'
    prediction_errors: str = '/policy_node/prediction_error'
    arm_status: str = '/arm_node/status'
    simulation_status: str = '/simulated_aloha_node/status'

    def __post_init__(self) -> None:
        for name in ('joint_states', 'group_commands', 'gripper_commands', 'cameras', 'predicted'):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def stored_in(self, recorded: Collection[str]) -> EpisodeTopics:
        """Return the topics with the names under which an episode holds images.

        Args:
            recorded: Names of the topics of the episode.
        """
        def stored(images: Mapping[str, str]) -> dict[str, str]:
            return {camera: stored_image_topic(topic, recorded)
                    for camera, topic in images.items()}

        return replace(self, cameras=stored(self.cameras), predicted=stored(self.predicted))


def episode_topics(robot: RobotSpec, names: Mapping[str, str]) -> EpisodeTopics:
    """Return the topics of a robot.

    Args:
        robot: The robot.
        names: Names that the nodes use (`follower_left/joint_states`,
            `follower_left/commands/joint_group`, `cam_high/image`, ...) to those of the robot,
            as the robot's configuration lists them.

    Raises:
        ConfigurationError: If a name is missing.
    """
    def per(things: list[str], suffix: str) -> dict[str, str]:
        missing = [thing for thing in things if f'{thing}/{suffix}' not in names]
        if missing:
            raise ConfigurationError(
                f'robot {robot.name!r} has no topic name for {missing[0]}/{suffix}; named are '
                f'{", ".join(names) or "none"}')
        return {thing: names[f'{thing}/{suffix}'] for thing in things}

    arms = [arm.name for arm in robot.arms]
    cameras = [camera.name for camera in robot.cameras]
    return EpisodeTopics(
        joint_states=per(arms, 'joint_states'),
        group_commands=per(arms, 'commands/joint_group'),
        gripper_commands=per(arms, 'commands/joint_single'),
        cameras=per(cameras, 'image'),
        predicted={camera: f'/policy_node/predicted/{camera}' for camera in cameras})
