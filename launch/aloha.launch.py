# SPDX-License-Identifier: Apache-2.0
"""Bring up Cosmos Policy on an ALOHA robot: `ros2 launch cosmos_policy_ros aloha.launch.py`."""

from dataclasses import fields
import os
from typing import get_args, get_type_hints, Optional

from cosmos_policy_ros.bringup import (
    BringupOptions, describe_bringup, PARKING_TIMEOUT_S, require_ros)
from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

DESCRIPTIONS = {
    'sim': 'start the simulated robot',
    'teleop': 'let the leader arms drive instead of a policy; with sim a scripted operator does',
    'policy': 'cosmos: the model; scripted: the expert of the simulation',
    'checkpoint': 'folder of a checkpoint, or the name of one in models/',
    'planning_checkpoint': 'checkpoint that imagines and values in planning mode; empty: the same',
    'server_url': 'where `cosmos-policy serve` answers, such as ws://gpu:8000; empty: no server',
    'task': 'task text given to the model',
    'mode': 'how a chunk is chosen; can be switched while running',
    'record': 'start the recorder node; its services start and stop an episode',
    'dry_run': 'move nothing, publish what would be sent',
    'park': 'at the end open the grippers and go to rest before the nodes end',
    'robot': 'robot preset, a file name in config/robots',
    'start': 'move without waiting for the start services; empty: only in simulation',
    'output': 'folder that receives recorded episodes',
    'seed': 'seed of the simulated scene',
    'sim_task': 'name of the simulated task',
}
KINDS = get_type_hints(BringupOptions)
BOOLEANS = {'true': True, 'false': False, 'True': True, 'False': False}


def _choices(kind):
    """Return the texts that an argument may have; None if any."""
    if kind in (bool, Optional[bool]):
        return [*BOOLEANS] if kind is bool else ['', *BOOLEANS]
    return get_args(kind) or None


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return '' if value is None else str(value)


def _value(name, text):
    if KINDS[name] in (bool, Optional[bool]):
        return BOOLEANS.get(text)
    if KINDS[name] is not int:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise ConfigurationError(f'{name} is {text!r}; it must be a whole number') from error


def _nodes(context):
    require_ros()
    options = BringupOptions(**{
        name: _value(name, LaunchConfiguration(name).perform(context)) for name in DESCRIPTIONS})
    return [
        Node(package='cosmos_policy_ros', executable=node.name, name=node.name, output='screen',
             parameters=[str(node.parameter_file), _parameters(node)],
             remappings=list(node.remappings.items()), on_exit=_end_all,
             additional_env=_environment(node),
             sigterm_timeout=str(PARKING_TIMEOUT_S if node.parks else 5))
        for node in describe_bringup(options)]


def _end_all(event, context):
    """End every node once one has ended by itself; arms are not left to half a system.

    Raises:
        CosmosPolicyError: If that node failed; `ros2 launch` then fails too.
    """
    if context.is_shutdown:
        return None
    reason = f'{event.process_name} ended with exit status {event.returncode}'
    if event.returncode != 0:
        raise CosmosPolicyError(reason)
    return Shutdown(reason=reason)


def _environment(node):
    return {name: value for name, value in node.environment.items() if name not in os.environ}


def _parameters(node):
    # launch_ros reads a bare text as YAML, so that the task 'on' would become a boolean.
    return {name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
            for name, value in node.parameters.items()}


def generate_launch_description():
    """Declare the arguments; the nodes follow from them."""
    arguments = [
        DeclareLaunchArgument(
            option.name, description=DESCRIPTIONS[option.name],
            default_value=_text(option.default), choices=_choices(KINDS[option.name]))
        for option in fields(BringupOptions)]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])
