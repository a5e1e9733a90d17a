# SPDX-License-Identifier: Apache-2.0
"""The package as a whole: versions agree, everything is installed and documented."""

from pathlib import Path
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

import cosmos_policy_ros

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
NODES = ('policy_node', 'arm_node', 'recorder_node', 'simulated_aloha_node', 'teleop_node')


def test_the_version_is_the_same_everywhere():
    in_setup = re.search(r"version='([^']+)'", (ROOT / 'setup.py').read_text())[1]
    in_package = ElementTree.parse(ROOT / 'package.xml').find('version').text
    assert in_setup == in_package == cosmos_policy_ros.__version__


def test_importing_the_package_needs_neither_ros_nor_torch():
    script = ('import sys; import cosmos_policy_ros.spec.aloha, cosmos_policy_ros.bringup; '
              'print([m for m in ("rclpy", "torch", "mujoco") if m in sys.modules])')
    output = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                            check=True, cwd=ROOT).stdout
    assert output.strip() == '[]'


@pytest.mark.parametrize('kind', ['msg', 'srv', 'action'])
def test_every_interface_file_is_built(kind):
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    for path in sorted((ROOT / kind).glob(f'*.{kind}')):
        assert f'{kind}/{path.name}' in cmake


def test_every_node_has_an_executable_a_parameter_file_and_a_place_in_the_readme():
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    for node in NODES:
        assert f'scripts/{node}' in cmake and (ROOT / 'scripts' / node).stat().st_mode & 0o111
        assert (ROOT / 'config' / f'{node}.yaml').is_file()
        assert f'`{node}`' in README


@pytest.mark.parametrize('node', NODES)
def test_every_parameter_is_in_the_readme(node):
    content = yaml.safe_load((ROOT / 'config' / f'{node}.yaml').read_text())
    for name, value in content[node]['ros__parameters'].items():
        name = f'{name}.{next(iter(value))}' if isinstance(value, dict) else name
        assert f'`{name}`' in README, f'parameter {name} of {node} is not in the README'


def test_every_message_is_in_the_readme():
    for path in (path for kind in ('msg', 'srv', 'action') for path in (ROOT / kind).iterdir()):
        assert path.stem in README, f'{path.name} is not in the README'


def test_every_room_is_in_the_readme():
    for room in sorted(path.parent.name for path in (ROOT / 'cosmos_policy_ros').glob(
            '*/__init__.py')):
        assert f'`{room}/`' in README
