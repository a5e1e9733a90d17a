# SPDX-License-Identifier: Apache-2.0
"""What is made of a survey: each thing that is wrong is one line with value and allowed."""

from dataclasses import replace

import pytest

from cosmos_policy_ros.bringup import load_preset
from cosmos_policy_ros.cli.checks.robot_topics import check_robot_topics
from cosmos_policy_ros.nodes.stream_facts import Publisher, StreamFacts, Survey

PRESET = load_preset('interbotix')
NEEDED = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')
ARMS = ('follower_left', 'follower_right')


def stream(name, *, node='/driver', **changes):
    """A healthy stream with changes."""
    kind = 'JointState' if name.endswith('joint_states') else 'Image'
    type_name = f'sensor_msgs/msg/{kind}'
    facts = StreamFacts(
        name=name, topic=PRESET.names[name], type_name=type_name,
        publishers=(Publisher(node=node, type_name=type_name, is_reliable=True),),
        num_messages=90, rate_hz=100.0 if kind == 'JointState' else 30.0, max_gap_s=0.04,
        median_age_s=0.004, max_age_s=0.03, content='content', problem='', concern='')
    return replace(facts, **changes)


def survey(commanders=None, node='/driver', **changes):
    """A healthy robot; changes by stream, with `__` for the slash."""
    names = [*(f'{arm}/joint_states' for arm in ARMS),
             *(f'{camera.name}/image' for camera in PRESET.robot.cameras)]
    return Survey(
        streams=tuple(stream(name, node=node, **changes.get(name.replace('/', '__'), {}))
                      for name in names),
        commanders={arm: () for arm in ARMS} | (commanders or {}))


def troubles(observed):
    """Return check, result and found of everything that is not ok."""
    return [(result.check, result.result, result.found)
            for result in check_robot_topics(observed, NEEDED) if result.result != 'ok']


def test_a_healthy_robot_has_no_trouble():
    results = check_robot_topics(survey(), NEEDED)
    assert {result.result for result in results} == {'ok'} and len(results) == 8
    assert results[0].found == ('content; 100.0 Hz, 4 ms old, longest gap 40 ms; /driver, '
                                'reliable')


SILENT = {'publishers': (), 'num_messages': 0, 'rate_hz': 0.0}


def test_no_robot_at_all_is_one_line():
    nobody = survey(**{name: SILENT for name in (
        'follower_left__joint_states', 'follower_right__joint_states', 'cam_high__image',
        'cam_low__image', 'cam_left_wrist__image', 'cam_right_wrist__image')})
    (check, result, found), = troubles(nobody)
    assert (check, result) == ('robot', 'fail')
    assert '/follower_left/joint_states' in found and '6 topics' in found


def test_a_camera_that_the_checkpoint_does_not_read_may_be_absent():
    (check, result, _), = troubles(survey(cam_low__image=SILENT))
    assert (check, result) == ('cam_low/image', 'skipped')


def test_a_needed_camera_may_not_be_absent():
    assert troubles(survey(cam_high__image=SILENT)) == [(
        'cam_high/image', 'fail',
        'nobody publishes /cam_high/camera/color/image_rect_raw, allowed is one publisher')]


@pytest.mark.parametrize(('changes', 'result', 'found'), [
    ({'num_messages': 0}, 'fail',
     '/driver publishes /cam_high/camera/color/image_rect_raw, but no message came'),
    ({'median_age_s': -0.5}, 'fail',
     'stamps lie 500 ms ahead of the clock here, allowed is 20 ms'),
    ({'median_age_s': 0.5, 'max_age_s': 0.6}, 'fail',
     'messages are 500 ms old when they come, allowed is 300 ms'),
    ({'max_gap_s': 0.4}, 'warn', 'longest gap 400 ms, oldest message 30 ms, allowed is 300 ms: '
     'the arms would have been held'),
    ({'rate_hz': 5.0}, 'warn', '5.0 Hz, allowed from 12 Hz'),
    ({'problem': 'encoding mono8'}, 'fail', 'encoding mono8'),
    ({'concern': 'the camera is frozen'}, 'warn', 'the camera is frozen'),
])
def test_a_fault_of_a_stream_is_one_line(changes, result, found):
    assert troubles(survey(cam_high__image=changes)) == [('cam_high/image', result, found)]


def test_two_publishers_and_a_wrong_type_are_named():
    publishers = tuple(Publisher(node=node, type_name=kind, is_reliable=True) for node, kind in (
        ('/a', 'sensor_msgs/msg/Image'), ('/b', 'sensor_msgs/msg/CompressedImage')))
    found = [text for _, _, text in troubles(survey(cam_high__image={'publishers': publishers}))]
    assert found == ['2 publishers, allowed is one: /a, /b',
                     '/cam_high/camera/color/image_rect_raw carries '
                     'sensor_msgs/msg/CompressedImage, allowed is sensor_msgs/msg/Image']


@pytest.mark.parametrize(('node', 'is_ok'), [('/driver', False), ('/simulated_aloha_node', True)])
def test_the_simulated_robot_may_pause_longer(node, is_ok):
    paused = survey(node=node, follower_left__joint_states={'max_gap_s': 0.2})
    assert (not troubles(paused)) == is_ok


@pytest.mark.parametrize(('nodes', 'result'), [
    ((), 'ok'), (('/arm_node',), 'ok'), (('/teleop',), 'warn'), (('/arm_node', '/teleop'), 'fail'),
])
def test_an_arm_may_have_one_commander_and_it_is_arm_node(nodes, result):
    results = check_robot_topics(survey(commanders={'follower_left': nodes}), NEEDED)
    outcome, = [each for each in results if each.check == 'commands to follower_left']
    assert outcome.result == result
    assert all(node in outcome.found for node in nodes)
