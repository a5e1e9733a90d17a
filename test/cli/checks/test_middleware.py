# SPDX-License-Identifier: Apache-2.0
"""What is made of ROS, the DDS profile and discovery."""

import pytest

from cosmos_policy_ros.cli.checks.middleware import (
    check_discovery, check_middleware, check_profile, segment_bytes)
from cosmos_policy_ros.spec.resources import resource

SHIPPED = resource('config/fastdds.xml')
PROFILE = '<dds xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">{}</dds>'
MIB = 2**20


def test_the_shipped_profile_is_good():
    outcome = check_profile({'FASTRTPS_DEFAULT_PROFILES_FILE': str(SHIPPED)})
    assert segment_bytes(SHIPPED) == 128 * MIB
    assert outcome.result == 'ok' and 'segment 128 MiB' in outcome.found


@pytest.mark.parametrize('environment', [{}, {'FASTRTPS_DEFAULT_PROFILES_FILE': ''}])
def test_no_profile_in_the_shell_is_a_warning_with_the_line_to_type(environment):
    outcome = check_profile(environment)
    assert outcome.result == 'warn'
    assert f'export FASTRTPS_DEFAULT_PROFILES_FILE={SHIPPED}' in outcome.remedy


@pytest.mark.parametrize(('content', 'result', 'found'), [
    (PROFILE.format('<segment_size>1048576</segment_size>'), 'warn', 'segment 1 MiB, recommended'),
    (PROFILE.format(''), 'warn', 'segment 0.5 MiB'),
    (PROFILE.format('<segment_size>67108864</segment_size>'), 'ok', 'segment 64 MiB'),
    (PROFILE.format('<segment_size>much</segment_size>'), 'fail', 'cannot be used'),
    (PROFILE.format('<segment_size/>'), 'fail', 'cannot be used'),
    ('<dds>', 'fail', 'cannot be used'),
    ('', 'fail', 'cannot be used'),
])
def test_a_profile_is_judged_by_its_segment(tmp_path, content, result, found):
    path = tmp_path / 'profile.xml'
    path.write_text(content)
    outcome = check_profile({'FASTRTPS_DEFAULT_PROFILES_FILE': str(path)})
    assert outcome.result == result and found in outcome.found


def test_an_absent_profile_fails(tmp_path):
    path = str(tmp_path / 'none.xml')
    outcome = check_profile({'FASTRTPS_DEFAULT_PROFILES_FILE': path})
    assert outcome.result == 'fail' and path in outcome.found


@pytest.mark.parametrize(('environment', 'result', 'found'), [
    ({}, 'ok', 'ROS_DOMAIN_ID 0, range SUBNET'),
    ({'ROS_DOMAIN_ID': '42', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}, 'ok', '42, range LOC'),
    ({'ROS_LOCALHOST_ONLY': '1'}, 'ok', 'ROS_LOCALHOST_ONLY'),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}, 'warn', 'do not find each other'),
    ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'local'}, 'fail', "'local', allowed is SUBNET, LOCALHOST"),
    ({'ROS_DOMAIN_ID': '233'}, 'fail', "'233', allowed is 0 to 232"),
    ({'ROS_DOMAIN_ID': '-1'}, 'fail', "'-1', allowed"),
    ({'ROS_DOMAIN_ID': 'lab'}, 'fail', "'lab', allowed"),
])
def test_discovery_is_judged_by_its_variables(environment, result, found):
    outcome = check_discovery(environment)
    assert outcome.result == result and found in outcome.found


def test_ros_is_found_with_its_origin_and_its_middleware():
    pytest.importorskip('rclpy')
    pytest.importorskip('cosmos_policy_ros.msg')
    results = {result.check: result for result in check_middleware({'ROS_DISTRO': 'jazzy'})}
    assert results['ROS'].found.startswith('ROS 2 jazzy; ')
    assert results['middleware'].found.startswith('rmw_')
