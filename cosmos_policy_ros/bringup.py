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

# What the nodes import, and how to get it where it is missing.
ROS_MODULES = {
    'rclpy': 'source the setup file of ROS 2, such as /opt/ros/jazzy/setup.bash; without an '
             'installed ROS 2 run `make setup` in the source tree',
    'cosmos_policy_ros.msg': 'build this package (`colcon build`, or `make setup` without an '
                             'installed ROS 2) and source install/setup.bash',
    'interbotix_xs_msgs': "build Interbotix's package, or the stand-in in "
                          'cosmos_policy_ros/simulation/assets, and source install/setup.bash',
}

ARM_ENDPOINTS = (
    'joint_states', 'commands/joint_group', 'commands/joint_single', 'commands/joint_trajectory',
    'torque_enable', 'reboot_motors', 'get_robot_info', 'set_operating_modes',
    'set_motor_pid_gains', 'set_motor_registers', 'get_motor_registers')


@dataclass(frozen=True, kw_only=True)
class BringupOptions:
    """What a user chooses when starting the robot.

    Attributes:
        sim: Start the simulated robot instead of expecting a real one.
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
        robot: Robot preset, a file name in config/robots.
        start: Move without waiting for the start services. None: only in simulation.
        output: Folder that receives recorded episodes.
        seed: Seed of the simulated scene.
    """

    sim: bool = False
    policy: Literal['cosmos', 'scripted'] = 'cosmos'
    checkpoint: str = 'aloha_small'
    planning_checkpoint: str = ''
    server_url: str = ''
    task: str = 'transfer the cube'
    mode: Literal['direct', 'planning'] = 'direct'
    record: bool = True
    dry_run: bool = False
    robot: str = 'interbotix'
    start: bool | None = None
    output: str = 'episodes'
    seed: int = 0

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


def require_ros() -> None:
    """Refuse where ROS, the messages of this package or those of the driver cannot be imported.

    Raises:
        ConfigurationError: Naming what is missing and how to get it.
    """
    for module, remedy in ROS_MODULES.items():
        if find_spec(module) is None:
            raise ConfigurationError(f'no Python module {module}: {remedy}')


def environment_defaults() -> dict[str, str]:
    """Return the variables that the nodes run with unless the user set them."""
    images = str(resource('config/fastdds.xml'))
    return {
        'FASTRTPS_DEFAULT_PROFILES_FILE': images,
        # The name since Fast DDS 3, which ROS 2 has from Kilted on.
        'FASTDDS_DEFAULT_PROFILES_FILE': images,
        # A thread that spins while it waits for work would starve the control loop.
        'OMP_WAIT_POLICY': 'PASSIVE',
    }


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
                       names={**_arm_names(content), **_camera_names(content)})


def _arm_names(content: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f'{arm}/{endpoint}': f'{namespace}/{endpoint}'
            for arm, namespace in content['arms'].items() for endpoint in ARM_ENDPOINTS}


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
    nodes = [
        ('arm_node', {**robot, **state, **freshness, 'dry_run': options.dry_run}),
        ('policy_node', {**robot, **state, **freshness, **image_freshness,
                         'policy': options.policy, 'mode': options.mode,
                         'checkpoint': options.checkpoint, 'task': options.task,
                         'planning_checkpoint': options.planning_checkpoint,
                         **_backend(options)}),
    ]
    if options.sim:
        nodes.insert(0, ('simulated_aloha_node', {**robot, 'seed': options.seed}))
    if options.record:
        nodes.append(('recorder_node', {
            **robot, 'task': options.task, 'output_directory': options.output,
            'mode': 'scripted' if options.policy == 'scripted' else options.mode,
            'checkpoint': '' if options.policy == 'scripted' else options.checkpoint,
            **_recorded_topics(preset)}))
    return tuple(NodeSpec(
        name=name, parameter_file=resource(f'config/{name}.yaml'), parameters=parameters,
        remappings={**preset.names, **_own_names(name)}) for name, parameters in nodes)


def _backend(options: BringupOptions) -> dict[str, object]:
    if not options.server_url:
        return {}
    return {'backend': 'remote', 'server_url': options.server_url}


def _own_names(name: str) -> dict[str, str]:
    if name != 'arm_node':
        return {}
    return {'joint_trajectory': '/policy_node/joint_trajectory',
            'policy_status': '/policy_node/status'}


def _recorded_topics(preset: RobotPreset) -> dict[str, list[str]]:
    """Topics of an episode: what a policy needs is required, the rest is kept when it is there."""
    arms = [arm.name for arm in preset.robot.arms]
    cameras = [camera.name for camera in preset.robot.cameras]
    required = [f'{arm}/joint_states' for arm in arms]
    optional = [f'{arm}/commands/{kind}'
                for arm in arms for kind in ('joint_group', 'joint_single')]
    optional += [f'{camera}/{kind}' for camera in cameras for kind in ('image', 'camera_info')]
    own = ['/policy_node/action_chunk', '/policy_node/plan', '/policy_node/prediction_error',
           '/policy_node/status', '/arm_node/status',
           '/arm_node/dry_run/joint_states', '/simulated_aloha_node/status', '/diagnostics']
    own += [f'/policy_node/predicted/{camera}' for camera in cameras]
    return {'topics': [preset.names[name] for name in required],
            'optional_topics': [preset.names[name] for name in optional] + own}
