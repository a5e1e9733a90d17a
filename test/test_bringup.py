# SPDX-License-Identifier: Apache-2.0
"""The bring-up as data: which nodes, which names, and presets that are refused."""

import ast
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from cosmos_policy_ros import bringup
from cosmos_policy_ros.bringup import (
    BringupOptions, describe_bringup, environment_defaults, load_preset, require_ros)
from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.resources import resource

PRESETS = sorted(path.stem for path in resource('config/robots').glob('*.yaml'))


def nodes(**options):
    """Return the nodes of a bring-up by name."""
    return {node.name: node for node in describe_bringup(BringupOptions(**options))}


def test_the_real_robot_gets_no_simulation_and_does_not_start_alone():
    described = nodes()
    assert set(described) == {'arm_node', 'policy_node', 'recorder_node'}
    assert described['arm_node'].parameters['start_on_activate'] is False
    assert described['arm_node'].parameters.get('max_joint_age_s') is None


def test_the_simulation_comes_first_and_starts_alone_unless_told_not_to():
    assert next(iter(nodes(sim=True))) == 'simulated_aloha_node'
    assert nodes(sim=True)['policy_node'].parameters['start_on_activate'] is True
    assert nodes(sim=True, start=False)['policy_node'].parameters['start_on_activate'] is False
    assert nodes(start=True)['arm_node'].parameters['start_on_activate'] is True


def test_every_node_sees_the_same_names():
    described = nodes(sim=True)
    names = {node.remappings['cam_high/image'] for node in described.values()}
    assert names == {'/cam_high/camera/color/image_rect_raw'}
    assert described['arm_node'].remappings['joint_trajectory'] == '/policy_node/joint_trajectory'


def test_the_recorder_gets_names_of_the_robot_and_misses_no_command():
    parameters = nodes()['recorder_node'].parameters
    assert parameters['topics'] == ['/follower_left/joint_states', '/follower_right/joint_states']
    for topic in ('/follower_left/commands/joint_group', '/policy_node/action_chunk',
                  '/cam_high/camera/color/image_rect_raw', '/policy_node/predicted/cam_high'):
        assert topic in parameters['optional_topics']


def test_options_reach_their_nodes():
    described = nodes(task='fold shirt', checkpoint='/weights', dry_run=True, record=False)
    assert described['policy_node'].parameters['task'] == 'fold shirt'
    assert described['policy_node'].parameters['checkpoint'] == '/weights'
    assert described['arm_node'].parameters['dry_run'] is True
    assert 'recorder_node' not in described


@pytest.mark.parametrize('name', PRESETS)
def test_every_preset_names_every_arm_and_camera_of_its_robot(name):
    preset = load_preset(name)
    for arm in preset.robot.arms:
        assert preset.names[f'{arm.name}/joint_states'].endswith('/joint_states')
    for camera in preset.robot.cameras:
        assert f'{camera.name}/image/compressed' in preset.names


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="'nonsense'.*interbotix"):
        describe_bringup(BringupOptions(robot='nonsense'))


def test_every_parameter_of_the_bringup_is_one_of_the_node():
    for options in (BringupOptions(), BringupOptions(sim=True),
                    BringupOptions(sim=True, teleop=True)):
        for node in describe_bringup(options):
            defaults = yaml.safe_load(node.parameter_file.read_text())
            known = {'topics', 'optional_topics'}
            for name, value in defaults[node.name]['ros__parameters'].items():
                known |= {f'{name}.{part}' for part in value} if isinstance(value, dict) else {
                    name}
            assert set(node.parameters) <= known


def test_teleoperation_has_leaders_instead_of_a_policy_and_misses_none_of_their_topics():
    described = nodes(sim=True, teleop=True)
    assert set(described) == {
        'simulated_aloha_node', 'arm_node', 'teleop_node', 'recorder_node'}
    assert described['simulated_aloha_node'].parameters['leaders'] is True
    arm = described['arm_node']
    assert arm.remappings['joint_trajectory'] == '/teleop_node/joint_trajectory'
    recorder = described['recorder_node'].parameters
    assert recorder['mode'] == 'teleoperation' and recorder['checkpoint'] == ''
    for topic in ('/leader_left/joint_states', '/leader_right/joint_states',
                  '/cam_high/camera/color/image_rect_raw'):
        assert topic in recorder['topics'] and topic not in recorder['optional_topics']


def test_teleoperation_without_known_leaders_is_refused(monkeypatch):
    preset = load_preset('interbotix')
    names = {name: topic for name, topic in preset.names.items() if 'leader' not in name}
    monkeypatch.setattr(bringup, 'load_preset', lambda name: replace(preset, names=names))
    with pytest.raises(ConfigurationError, match='names no leader arms'):
        describe_bringup(BringupOptions(teleop=True))


@pytest.mark.parametrize('module', bringup.ROS_MODULES)
def test_what_ros_lacks_is_named_with_how_to_get_it(monkeypatch, module):
    monkeypatch.setattr(bringup, 'find_spec', lambda name: None if name == module else name)
    with pytest.raises(ConfigurationError, match=f'no Python module {module}: .*(source|build)'):
        require_ros()


def test_the_image_profile_is_set_under_the_name_of_every_fast_dds():
    variables = environment_defaults()
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        assert Path(variables[name]).is_file()


def test_only_the_arms_park_and_only_when_asked_to():
    assert not any(node.parks for node in nodes(sim=True).values())
    assert [name for name, node in nodes(sim=True, park=True).items() if node.parks] == [
        'arm_node']


def test_only_the_node_without_images_reserves_no_memory_for_them():
    with_profile = {name for name, node in nodes(sim=True).items()
                    if 'FASTRTPS_DEFAULT_PROFILES_FILE' in node.environment}
    assert with_profile == {'simulated_aloha_node', 'policy_node', 'recorder_node'}


def test_the_launch_file_describes_every_option():
    # Read, not run: `launch` is on machines with ROS only.
    tree = ast.parse(resource('launch/aloha.launch.py').read_text())
    descriptions = next(
        ast.literal_eval(node.value) for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'DESCRIPTIONS')
    assert list(descriptions) == [option.name for option in fields(BringupOptions)]
