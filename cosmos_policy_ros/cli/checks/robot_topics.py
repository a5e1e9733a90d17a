# SPDX-License-Identifier: Apache-2.0
"""Judgement of what a robot publishes and of who commands it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import yaml

from cosmos_policy_ros.bringup import SIMULATION_FRESHNESS, SIMULATION_IMAGE_FRESHNESS
from cosmos_policy_ros.cli.checks.result import CheckResult, fail, ok, skipped, warn
from cosmos_policy_ros.nodes.stream_facts import StreamFacts, Survey
from cosmos_policy_ros.spec.resources import resource

SIMULATION_NODE = '/simulated_aloha_node'
OWN_COMMANDER = '/arm_node'
# The driver publishes at 100 Hz; a joint state should be new at every tick of the 50 Hz control.
MIN_JOINT_RATE_HZ = 50.0
# The slowest rate at which the simulated cameras, at 15 Hz, still count as running.
MIN_IMAGE_RATE_HZ = 12.0
_START_ROBOT = ('start the robot driver and cameras, or cosmos-policy up --sim; if they run, '
                'compare ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE with theirs')
_LOST = ('give its process the DDS profile (FASTRTPS_DEFAULT_PROFILES_FILE) and look at '
         '/dev/shm; from another machine, at the network')


@dataclass(frozen=True, kw_only=True)
class StreamLimits:
    """What one kind of stream must hold.

    Attributes:
        max_age_s: Oldest message that the nodes accept in [s].
        future_tolerance_s: How far a stamp may lie ahead of the clock in [s].
        min_rate_hz: Lowest useful rate in [Hz].
    """

    max_age_s: float
    future_tolerance_s: float
    min_rate_hz: float


def check_robot_topics(survey: Survey, needed_cameras: Collection[str]) -> list[CheckResult]:
    """Judge a survey.

    Args:
        survey: What was seen.
        needed_cameras: Cameras that the policy reads; the others may be absent.
    """
    if not any(stream.publishers for stream in survey.streams):
        nothing = fail('robot', f'nobody publishes any of {len(survey.streams)} topics: '
                       f'{", ".join(stream.topic for stream in survey.streams)}', _START_ROBOT)
        return [nothing, *_check_commanders(survey)]
    limits = _load_limits(is_simulated=any(
        publisher.node == SIMULATION_NODE for stream in survey.streams
        for publisher in stream.publishers))
    results = []
    for stream in survey.streams:
        source, kind = stream.name.split('/', 1)
        is_needed = kind == 'joint_states' or source in needed_cameras
        results += _check_stream(stream, limits[kind], is_needed=is_needed)
    return [*results, *_check_commanders(survey)]


def _load_limits(*, is_simulated: bool) -> dict[str, StreamLimits]:
    """Limits by kind of stream: those with which the nodes of the bring-up run."""
    arm, policy = (
        yaml.safe_load(resource(f'config/{node}.yaml').read_text())[node]['ros__parameters']
        for node in ('arm_node', 'policy_node'))
    if is_simulated:
        arm |= SIMULATION_FRESHNESS
        policy |= SIMULATION_IMAGE_FRESHNESS
    tolerance_s = arm['future_tolerance_s']
    return {
        'joint_states': StreamLimits(
            max_age_s=arm['max_joint_age_s'], future_tolerance_s=tolerance_s,
            min_rate_hz=MIN_JOINT_RATE_HZ),
        'image': StreamLimits(
            max_age_s=policy['max_image_age_s'], future_tolerance_s=tolerance_s,
            min_rate_hz=MIN_IMAGE_RATE_HZ)}


def _check_stream(stream: StreamFacts, limits: StreamLimits, *,
                  is_needed: bool) -> list[CheckResult]:
    if not stream.publishers:
        if not is_needed:
            return [skipped(stream.name, f'nobody publishes {stream.topic}; the checkpoint does '
                            'not need it')]
        return [fail(stream.name, f'nobody publishes {stream.topic}, allowed is one publisher',
                     f'{_START_ROBOT}; or choose the preset of this robot with --robot')]
    problems = [*_publisher_problems(stream)]
    if stream.num_messages:
        problems += [*_time_problems(stream, limits), *_content_problems(stream)]
    return problems or [ok(stream.name, _describe(stream))]


def _publisher_problems(stream: StreamFacts) -> Iterator[CheckResult]:
    nodes = ', '.join(publisher.node for publisher in stream.publishers)
    if len(stream.publishers) > 1:
        yield fail(stream.name, f'{len(stream.publishers)} publishers, allowed is one: {nodes}',
                   'stop all but one of them')
    wrong = {publisher.type_name for publisher in stream.publishers} - {stream.type_name}
    if wrong:
        yield fail(stream.name, f'{stream.topic} carries {", ".join(sorted(wrong))}, allowed is '
                   f'{stream.type_name}', 'correct the topic name in the robot preset')
    elif not stream.num_messages:
        yield fail(stream.name, f'{nodes} publishes {stream.topic}, but no message came', _LOST)


def _time_problems(stream: StreamFacts, limits: StreamLimits) -> Iterator[CheckResult]:
    age_ms, max_age_ms = 1e3 * stream.median_age_s, 1e3 * limits.max_age_s
    if stream.median_age_s < -limits.future_tolerance_s:
        yield fail(stream.name, f'stamps lie {-age_ms:.0f} ms ahead of the clock here, allowed '
                   f'is {1e3 * limits.future_tolerance_s:.0f} ms', 'synchronise the clocks (NTP)')
    elif stream.median_age_s > limits.max_age_s:
        yield fail(stream.name, f'messages are {age_ms:.0f} ms old when they come, allowed is '
                   f'{max_age_ms:.0f} ms', 'synchronise the clocks (NTP); relieve the machine')
    elif max(stream.max_age_s, stream.max_gap_s) > limits.max_age_s:
        yield warn(stream.name, f'longest gap {1e3 * stream.max_gap_s:.0f} ms, oldest message '
                   f'{1e3 * stream.max_age_s:.0f} ms, allowed is {max_age_ms:.0f} ms: the arms '
                   'would have been held', 'relieve the machine; look at cables and USB')
    if stream.rate_hz < limits.min_rate_hz:
        yield warn(stream.name, f'{stream.rate_hz:.1f} Hz, allowed from '
                   f'{limits.min_rate_hz:g} Hz',
                   f'its publisher is slow (see its log), or messages are lost: {_LOST}')


def _content_problems(stream: StreamFacts) -> Iterator[CheckResult]:
    if stream.problem:
        yield fail(stream.name, stream.problem, 'look at the driver: its log, its motors or its '
                   'camera, and the robot preset')
    elif stream.concern:
        yield warn(stream.name, stream.concern, 'look at the camera: cap, cable, configuration')


def _describe(stream: StreamFacts) -> str:
    publisher = stream.publishers[0]
    transport = 'reliable' if publisher.is_reliable else 'best effort'
    return (f'{stream.content}; {stream.rate_hz:.1f} Hz, {1e3 * stream.median_age_s:.0f} ms old, '
            f'longest gap {1e3 * stream.max_gap_s:.0f} ms; {publisher.node}, {transport}')


def _check_commanders(survey: Survey) -> list[CheckResult]:
    results = []
    for arm, nodes in survey.commanders.items():
        name, found = f'commands to {arm}', ', '.join(nodes) or 'nobody'
        if set(nodes) <= {OWN_COMMANDER}:
            results.append(ok(name, f'commanded by {found}'))
        elif len(nodes) > 1:
            results.append(fail(name, f'commanded by {found}, allowed is one node',
                                'stop the others: two commanders fight over the arm'))
        else:
            results.append(warn(name, f'commanded by {found}, allowed is {OWN_COMMANDER}',
                                'stop it before arm_node starts, which refuses a second one'))
    return results
