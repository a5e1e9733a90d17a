# SPDX-License-Identifier: Apache-2.0
"""Which nodes run with which parameters and names: data that both bring-ups read.

`launch/aloha.launch.py` turns it into launch actions, `cosmos-policy up` into processes.
May import: spec, errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import yaml

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.resources import resource
from cosmos_policy_ros.spec.robot import RobotSpec

# The simulated robot shares the cores of this machine with the model, so its streams pause longer
# than those of real drivers and cameras do.
SIMULATION_FRESHNESS = {'max_joint_age_s': 0.5}
SIMULATION_IMAGE_FRESHNESS = {'max_image_age_s': 0.6, 'max_image_skew_s': 0.3}

# What the simulated cameras deliver is not what is asked of real ones.
SIMULATED_HEALTH = {'health.image_rate_hz': 15.0}

# Leaders are followed as fast as the arms may move. Consecutive chunks of theirs agree where they
# overlap: there is nothing to blend.
TELEOPERATED_MOTION = {'velocity_scale': 1.0, 'strategy': 'async_blend', 'blend_s': 0.001}
GESTURE_HOLD_S = 0.3
POLICY_CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')

# What the nodes import, and how to get it where it is missing.
ROS_MODULES = {
    'rclpy': 'source the setup file of ROS 2, such as /opt/ros/jazzy/setup.bash; without an '
             'installed ROS 2 run `make setup` in the source tree',
    'cosmos_policy_ros.msg': 'build this package (`colcon build`, or `make setup` without an '
                             'installed ROS 2) and source install/setup.bash',
    'interbotix_xs_msgs': "build Interbotix's package, or the stand-in in "
                          'cosmos_policy_ros/simulation/assets, and source install/setup.bash',
}

PARKING_TIMEOUT_S = 70.0
# Shared memory for images would be more than half of what they take.
NODES_WITHOUT_IMAGES = ('arm_node',)

ARM_ENDPOINTS = (
    'joint_states', 'commands/joint_group', 'commands/joint_single', 'commands/joint_trajectory',
    'arm_controller/joint_trajectory', 'gripper_controller/joint_trajectory',
    'torque_enable', 'reboot_motors', 'get_robot_info', 'set_operating_modes',
    'set_motor_pid_gains', 'set_motor_registers', 'get_motor_registers')


@dataclass(frozen=True, kw_only=True)
class BringupOptions:
    """What a user chooses when starting the robot.

    Attributes:
        sim: Start the simulated robot instead of expecting a real one.
        teleop: Let the leader arms drive instead of a policy, and record in batches; in simulation
            a scripted operator holds them.
        policy: Who answers: `cosmos` (the model) or `scripted` (the expert of the simulation).
        checkpoint: Folder of a checkpoint, or the name of one in models/.
        planning_checkpoint: Checkpoint that imagines and values in planning mode; empty for the
            same one.
        server_url: Where a `cosmos-policy serve` answers, for example ws://gpu:8000; empty for
            the model in the policy node itself.
        task: Task text given to the model.
        mode: How a chunk is chosen: `direct`, or `planning` (the best of several).
        record: Start the recorder node.
        dry_run: Move nothing; publish what would be sent.
        park: At the end open the grippers and go to rest before the nodes end.
        robot: Robot preset, a file name in config/robots.
        start: Move without waiting for the start services. None: only in simulation.
        output: Folder that receives recorded episodes.
        seed: Seed of the simulated scene.
        sim_task: Name of the simulated task, which decides on scene and success.
    """

    sim: bool = False
    teleop: bool = False
    policy: Literal['cosmos', 'scripted'] = 'cosmos'
    checkpoint: str = 'aloha_small'
    planning_checkpoint: str = ''
    server_url: str = ''
    task: str = 'transfer the cube'
    mode: Literal['direct', 'planning'] = 'direct'
    record: bool = True
    dry_run: bool = False
    park: bool = False
    robot: str = 'interbotix'
    start: bool | None = None
    output: str = 'episodes'
    seed: int = 0
    sim_task: str = 'transfer_cube'

    @property
    def starts_alone(self) -> bool:
        """Whether the arms move without a call of the start services."""
        return self.sim if self.start is None else self.start


@dataclass(frozen=True, kw_only=True)
class RobotPreset:
    """Names of a robot's topics, read from config/robots.

    Attributes:
        robot: What the robot is.
        names: Name inside our nodes to name on the robot.
    """

    robot: RobotSpec
    names: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One process to start.

    Attributes:
        name: Node name, also the executable's.
        parameter_file: YAML file with the node's defaults.
        parameters: Values that go before the file's.
        remappings: Name inside the node to name on the robot.
    """

    name: str
    parameter_file: Path
    parameters: Mapping[str, object]
    remappings: Mapping[str, str]

    @property
    def parks(self) -> bool:
        """Whether the process takes the arms to rest before it ends, and needs the others to."""
        return bool(self.parameters.get('park_on_shutdown'))

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the process runs with unless the user set them."""
        return environment_defaults(sends_images=self.name not in NODES_WITHOUT_IMAGES)


def require_ros() -> None:
    """Refuse where ROS, the messages of this package or those of the driver cannot be imported.

    Raises:
        ConfigurationError: Naming what is missing and how to get it.
    """
    for module, remedy in ROS_MODULES.items():
        if find_spec(module) is None:
            raise ConfigurationError(f'no Python module {module}: {remedy}')


def environment_defaults(*, sends_images: bool = True) -> dict[str, str]:
    """Return the variables that a node runs with unless the user set them.

    Args:
        sends_images: Whether it publishes images or records them, for which shared memory is
            reserved.
    """
    # A thread that spins while it waits for work would starve the control loop.
    defaults = {'OMP_WAIT_POLICY': 'PASSIVE'}
    if sends_images:
        images = str(resource('config/fastdds.xml'))
        # The second is the name since Fast DDS 3, which ROS 2 has from Kilted on.
        defaults |= {'FASTRTPS_DEFAULT_PROFILES_FILE': images,
                     'FASTDDS_DEFAULT_PROFILES_FILE': images}
    return defaults


def load_preset(name: str) -> RobotPreset:
    """Read a robot preset.

    Args:
        name: Name of a file in config/robots, without its suffix.

    Raises:
        ConfigurationError: If there is no such preset or it lacks a key.
    """
    directory = resource('config/robots')
    path = directory / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(file.stem for file in directory.glob('*.yaml')))
        raise ConfigurationError(f'unknown robot preset {name!r}; {directory} has {known}')
    content = yaml.safe_load(path.read_text())
    missing = {'robot', 'arms', 'cameras', 'image_topic'} - set(content or {})
    if missing:
        raise ConfigurationError(f'{path} lacks {", ".join(sorted(missing))}')
    return RobotPreset(robot=robot_spec(content['robot']),
                       names={**_arm_names(content), **_leader_names(content),
                              **_camera_names(content)})


def _arm_names(content: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f'{arm}/{endpoint}': f'{namespace}/{endpoint}'
            for arm, namespace in content['arms'].items() for endpoint in ARM_ENDPOINTS}


def _leader_names(content: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f'{leader}/joint_states': f'{namespace}/joint_states'
            for leader, namespace in content.get('leaders', {}).items()}


def _camera_names(content: Mapping[str, object]) -> dict[str, str]:
    names = {}
    for camera, prefix in content['cameras'].items():
        image = f'{prefix}/{content["image_topic"]}'
        names |= {f'{camera}/image': image, f'{camera}/image/compressed': f'{image}/compressed',
                  f'{camera}/camera_info': f'{prefix}/camera_info'}
    return names


def describe_bringup(options: BringupOptions) -> tuple[NodeSpec, ...]:
    """Return the nodes to start for the options, the robot first.

    Raises:
        ConfigurationError: If the preset is unknown.
    """
    preset = load_preset(options.robot)
    state = {'autostart': 'active', 'start_on_activate': options.starts_alone}
    robot = {'robot': preset.robot.name}
    freshness = SIMULATION_FRESHNESS if options.sim else {}
    image_freshness = SIMULATION_IMAGE_FRESHNESS if options.sim else {}
    driver = ('teleop_node', {**robot, **freshness}) if options.teleop else (
        'policy_node', {**robot, **state, **freshness, **image_freshness,
                        'policy': options.policy, 'mode': options.mode,
                        'checkpoint': options.checkpoint, 'task': options.task,
                        'planning_checkpoint': options.planning_checkpoint,
                        **_backend(options)})
    nodes = [
        ('arm_node', {**robot, **state, **freshness, 'dry_run': options.dry_run,
                      'park_on_shutdown': options.park,
                      **(TELEOPERATED_MOTION if options.teleop else {})}),
        driver,
    ]
    if options.sim:
        nodes.insert(0, ('simulated_aloha_node', {
            **robot, 'seed': options.seed, 'task': options.sim_task,
            'leaders': options.teleop}))
    if options.record:
        nodes.append(('recorder_node', {
            **robot, 'task': options.task, 'output_directory': options.output,
            **_driven_by(options), **(SIMULATED_HEALTH if options.sim else {}),
            **_recorded_topics(preset, options)}))
    return tuple(NodeSpec(
        name=name, parameter_file=resource(f'config/{name}.yaml'), parameters=parameters,
        remappings={**preset.names, **_own_names(name, driver[0])}) for name, parameters in nodes)


def _driven_by(options: BringupOptions) -> dict[str, object]:
    """What the recorder is told about who drives."""
    if options.teleop:
        return {'mode': 'teleoperation', 'checkpoint': '', 'gesture_hold_s': GESTURE_HOLD_S}
    if options.policy == 'scripted':
        return {'mode': 'scripted', 'checkpoint': ''}
    return {'mode': options.mode, 'checkpoint': options.checkpoint}


def _backend(options: BringupOptions) -> dict[str, object]:
    if not options.server_url:
        return {}
    return {'backend': 'remote', 'server_url': options.server_url}


def _own_names(name: str, driver: str) -> dict[str, str]:
    if name == 'simulated_aloha_node':
        return {'recorder_status': '/recorder_node/status'}
    if name != 'arm_node':
        return {}
    return {'joint_trajectory': f'/{driver}/joint_trajectory',
            'policy_status': '/policy_node/status'}


def _recorded_topics(preset: RobotPreset, options: BringupOptions) -> dict[str, list[str]]:
    """Topics of an episode: what it is worthless without, and what is kept when it is there.

    Raises:
        ConfigurationError: If teleoperation is asked for and the preset names no leaders.
    """
    arms = [arm.name for arm in preset.robot.arms]
    cameras = [camera.name for camera in preset.robot.cameras]
    leaders = [name for name in preset.names if name.startswith('leader_')]
    required = [f'{arm}/joint_states' for arm in arms]
    if options.teleop:
        if not leaders:
            raise ConfigurationError(f'robot preset {options.robot!r} names no leader arms; add '
                                     'the entry `leaders` as in config/robots/interbotix.yaml')
        required += [*leaders, *(f'{camera}/image' for camera in POLICY_CAMERAS)]
    optional = [f'{arm}/commands/{kind}' for arm in arms
                for kind in ('joint_group', 'joint_single', 'joint_trajectory')]
    optional += [f'{arm}/{part}_controller/joint_trajectory'
                 for arm in arms for part in ('arm', 'gripper')]
    optional += [f'{camera}/{kind}' for camera in cameras for kind in ('image', 'camera_info')]
    own = ['/policy_node/action_chunk', '/policy_node/plan', '/policy_node/value',
           '/policy_node/prediction_error', '/policy_node/status', '/arm_node/status',
           '/arm_node/dry_run/joint_states', '/teleop_node/joint_trajectory',
           '/simulated_aloha_node/status', '/diagnostics', '/parameter_events']
    own += [f'/policy_node/predicted/{camera}' for camera in cameras]
    return {'topics': [preset.names[name] for name in required],
            'optional_topics': [preset.names[name] for name in (*leaders, *optional)
                                if name not in required] + own}
