# SPDX-License-Identifier: Apache-2.0
"""Parameters: declared from dataclasses, equal to the YAML files, refused with a reason."""

from dataclasses import fields

import pytest
from rclpy.parameter import Parameter
import yaml

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes.parameter_declaration import declare, ros_name, updated
from cosmos_policy_ros.nodes.parameters import (
    ArmNodeParameters, PolicyNodeParameters, RecorderNodeParameters,
    SimulatedAlohaNodeParameters, TeleopNodeParameters)
from cosmos_policy_ros.nodes.policies import planning_settings
from cosmos_policy_ros.spec.resources import resource

KINDS = {'policy_node': PolicyNodeParameters, 'arm_node': ArmNodeParameters,
         'recorder_node': RecorderNodeParameters,
         'simulated_aloha_node': SimulatedAlohaNodeParameters, 'teleop_node': TeleopNodeParameters}
# A YAML file cannot hold an empty list; topics come from the robot preset.
FILLED_BY_BRINGUP = {'topics', 'optional_topics', 'video_topics'}


def flat(content, prefix=''):
    """Return nested parameters under their dotted names."""
    pairs = {}
    for key, value in content.items():
        pairs |= flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {
            f'{prefix}{key}': value}
    return pairs


@pytest.mark.parametrize('name', KINDS)
def test_the_yaml_file_holds_exactly_the_declared_parameters_and_defaults(name):
    content = yaml.safe_load(resource(f'config/{name}.yaml').read_text())
    from_yaml = flat(content[name]['ros__parameters'])
    from_code = {
        ros_name(item.name): getattr(KINDS[name](), item.name) for item in fields(KINDS[name])
        if item.name not in FILLED_BY_BRINGUP}
    assert {key: list(value) if isinstance(value, tuple) else value
            for key, value in from_code.items()} == from_yaml


@pytest.mark.parametrize('name', KINDS)
def test_every_parameter_has_a_description_and_every_number_a_range(name):
    for item in fields(KINDS[name]):
        assert item.metadata['description']
        value = getattr(KINDS[name](), item.name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert item.metadata['low'] is not None and item.metadata['high'] is not None
            assert item.metadata['low'] <= value <= item.metadata['high']


def test_declare_fills_overrides_and_publishes_units_and_ranges(ros):
    node = ros.node()
    assert declare(node, ArmNodeParameters) == ArmNodeParameters()
    descriptor = node.describe_parameter('control_rate_hz')
    assert '[Hz]' in descriptor.description and descriptor.read_only
    assert descriptor.floating_point_range[0].to_value == 200.0


def test_an_override_out_of_range_stops_the_declaration(ros):
    import rclpy
    node = ros.add(rclpy.create_node('n', **ros.parameters(control_rate_hz=1000.0)))
    with pytest.raises(ConfigurationError, match='control_rate_hz'):
        declare(node, ArmNodeParameters)


@pytest.mark.parametrize(('change', 'message'), [
    (Parameter('denoising_steps.action', value=0),
     'denoising_steps.action is 0; allowed is 1 to 100'),
    (Parameter('max_joint_age_s', value=float('nan')), 'must be finite'),
    (Parameter('policy', value='magic'), 'allowed is one of cosmos, scripted'),
])
def test_a_change_that_is_not_allowed_names_the_value_and_what_is_allowed(change, message):
    with pytest.raises(ConfigurationError, match=message):
        updated(PolicyNodeParameters(), [change])


def test_one_bad_change_refuses_the_whole_set():
    current = PolicyNodeParameters()
    with pytest.raises(ConfigurationError):
        updated(current, [Parameter('seed', value=1), Parameter('execution_horizon', value=-1)])
    assert updated(current, [Parameter('seed', value=1)]).seed == 1
    assert updated(current, [Parameter('use_sim_time', value=True)]) == current


def test_common_noise_is_that_of_the_seed_parameter_or_of_the_query():
    assert planning_settings(PolicyNodeParameters(seed=8)).imagination_seed is None
    assert planning_settings(
        PolicyNodeParameters(seed=8, common_noise=True)).imagination_seed == 8
    assert planning_settings(
        PolicyNodeParameters(seed=8, common_noise=True), seed=9).imagination_seed == 9
