# SPDX-License-Identifier: Apache-2.0
"""ROS and its middleware: where they come from, how they find each other, room for images."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, warn
from cosmos_policy_ros.spec.resources import resource

FAST_DDS = 'rmw_fastrtps_cpp'
PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
# Fast DDS takes this much where no profile says otherwise.
DEFAULT_SEGMENT_BYTES = 512 * 1024
IMAGE_BYTES = 640 * 480 * 3
# Less than this many images and a moment's delay of one subscriber loses frames.
USUAL_IMAGES = 30
DISCOVERY_RANGES = ('SUBNET', 'LOCALHOST', 'SYSTEM_DEFAULT', 'OFF')
MAX_DOMAIN_ID = 232


def check_middleware(environment: Mapping[str, str]) -> list[CheckResult]:
    """Look at ROS in an environment of variables.

    Raises:
        ImportError: If rclpy or a message package is not there.
    """
    from cosmos_policy_ros.nodes import interfaces
    from cosmos_policy_ros.nodes.stream_survey import middleware_name
    return [ok('ROS', f'{_describe_ros(environment)}; {len(interfaces.__all__)} message and '
               'service types of ours and of the driver import'),
            _check_name(middleware_name()), check_profile(environment),
            check_discovery(environment)]


def _describe_ros(environment: Mapping[str, str]) -> str:
    if 'ROS_DISTRO' in environment:
        return f'ROS 2 {environment["ROS_DISTRO"]}'
    try:
        return f'wheels of rclpy {version("ros-rclpy")}, no ROS installation sourced'
    except PackageNotFoundError:
        return 'rclpy of unknown origin, ROS_DISTRO is not set'


def _check_name(name: str) -> CheckResult:
    if name == FAST_DDS:
        return ok('middleware', name)
    return warn('middleware', f'{name}; tested is {FAST_DDS}',
                f'RMW_IMPLEMENTATION={FAST_DDS}, or give this one buffers for '
                f'{IMAGE_BYTES / 1e6:.1f} MB images yourself')


def segment_bytes(profile: Path) -> int:
    """Return the shared-memory segment of a Fast DDS profile in [B]; the default if it has none.

    Raises:
        ElementTree.ParseError: If it is no XML.
        OSError: If it cannot be read.
        ValueError: If the size is no number.
    """
    sizes = [int(element.text or '') for element in ElementTree.parse(profile).iter()
             if element.tag.rpartition('}')[2] == 'segment_size']
    return max(sizes, default=DEFAULT_SEGMENT_BYTES)


def check_profile(environment: Mapping[str, str]) -> CheckResult:
    """Judge the Fast DDS profile that processes started from this shell get."""
    name, shipped = 'DDS profile', resource('config/fastdds.xml')
    remedy = f'export {PROFILE_VARIABLE}={shipped} where cameras and drivers are started'
    if not environment.get(PROFILE_VARIABLE):
        return warn(name, f'{PROFILE_VARIABLE} is not set: our nodes take '
                    f'{_mib(segment_bytes(shipped))}, other processes '
                    f'{_mib(DEFAULT_SEGMENT_BYTES)}, less than one image of {_mib(IMAGE_BYTES)}',
                    remedy)
    path = Path(environment[PROFILE_VARIABLE])
    try:
        size = segment_bytes(path)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return fail(name, f'{path} cannot be used: {error}', remedy)
    found = f'{path}: shared-memory segment {_mib(size)}'
    if size < USUAL_IMAGES * IMAGE_BYTES:
        return warn(name, f'{found}, recommended are {_mib(USUAL_IMAGES * IMAGE_BYTES)} or more',
                    remedy)
    return ok(name, found)


def check_discovery(environment: Mapping[str, str]) -> CheckResult:
    """Judge whom the nodes can find."""
    domain = environment.get('ROS_DOMAIN_ID') or '0'
    if not domain.isdecimal() or int(domain) > MAX_DOMAIN_ID:
        return fail('discovery', f'ROS_DOMAIN_ID is {domain!r}, allowed is 0 to {MAX_DOMAIN_ID}',
                    'set the same number for robot, cameras and nodes')
    reach = environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') or 'SUBNET'
    if reach not in DISCOVERY_RANGES:
        return fail('discovery', f'ROS_AUTOMATIC_DISCOVERY_RANGE is {reach!r}, allowed is '
                    f'{", ".join(DISCOVERY_RANGES)}', 'LOCALHOST if all runs on this machine')
    found = f'ROS_DOMAIN_ID {domain}, range {reach}'
    if environment.get('ROS_LOCALHOST_ONLY') == '1':
        found += ', ROS_LOCALHOST_ONLY'
    if reach == 'OFF':
        return warn('discovery', f'{found}: nodes do not find each other',
                    'ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST')
    return ok('discovery', found)


def _mib(size_bytes: int) -> str:
    return f'{size_bytes / 2**20:.3g} MiB'
