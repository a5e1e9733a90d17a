# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: what is recorded leads back to the plan, failures go apart, seeds repeat."""

import numpy as np
import pytest
from virtual_runs import TASK, TOPICS

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.demonstration import (
    DemonstrationSettings, Demonstrator, DISTURBANCE_TOPIC, draw_misses)
from cosmos_policy_ros.evaluation.virtual_robot import START_NS, VirtualRobot
from cosmos_policy_ros.recording.decode import decoded_messages
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.simulation.expert import Expert
from cosmos_policy_ros.simulation.kinematics import ArmKinematics
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA

SEED = 1009


@pytest.fixture(scope='module')
def demonstrator():
    demonstrator = Demonstrator(
        ALOHA, TOPICS, DemonstrationSettings(task=TASK, software_version='0'))
    yield demonstrator
    demonstrator.close()


@pytest.fixture(scope='module')
def demonstration(demonstrator, tmp_path_factory):
    return demonstrator.record(tmp_path_factory.mktemp('demonstrations'), SEED)


@pytest.fixture(scope='module')
def reader(demonstration):
    return EpisodeReader(demonstration.path)


def column(reader, topic, field):
    return np.array([getattr(message.message, field)
                     for message in decoded_messages(reader, [topic])])


def test_a_success_is_kept_under_its_seed(demonstration, reader):
    assert demonstration.is_success
    assert demonstration.path.name == f'episode_{SEED:06d}'
    assert reader.metadata.label.outcome == 'success'
    assert (reader.metadata.seed, reader.metadata.mode) == (SEED, 'scripted')


def test_images_commands_and_joints_are_there_at_their_rates(reader):
    rates = {name: topic.rate_hz for name, topic in reader.topics.items()}
    for side in ('left', 'right'):
        assert rates[f'/follower_{side}/joint_states'] == pytest.approx(100)
        assert rates[f'/follower_{side}/commands/joint_single'] == pytest.approx(50)
    images = [rate for name, rate in rates.items() if name.endswith('/compressed')]
    assert images == pytest.approx([25] * 3)


def test_the_arms_are_disturbed_and_the_commands_are_not(reader):
    # All of the same moments: 40 ms after the start, 80 ms, ...
    offsets = column(reader, DISTURBANCE_TOPIC, 'position')[:, 7:13]
    commands = column(reader, '/follower_right/commands/joint_group', 'cmd')[1::2][:len(offsets)]
    measured = column(reader, '/follower_right/joint_states', 'position')[4::4, :6][:len(offsets)]
    assert 1e-3 < np.abs(offsets).max() < 0.15
    # Measured is commanded plus offset, apart from the lag of the joints.
    apart = measured - commands
    assert 0.5 < (apart * offsets).sum() / (offsets**2).sum() < 1.5


def test_what_an_interruption_left_is_done_again(demonstrator, reader, tmp_path):
    left = tmp_path / 'attempts' / f'episode_{SEED:06d}.partial'
    left.mkdir(parents=True)
    (left / 'rest').write_text('of a recording')
    again = EpisodeReader(demonstrator.record(tmp_path, SEED).path)
    for topic in ('/follower_left/joint_states',
                  '/cam_high/camera/color/image_rect_raw/compressed'):
        first, second = ([message.data for message in source.messages([topic])]
                         for source in (reader, again))
        assert first == second, 'the same seed gives the same episode'
    assert not (tmp_path / 'attempts').exists()


def test_a_failure_goes_apart(demonstrator, tmp_path, monkeypatch):
    # A plan for a cube elsewhere misses the one that is there.
    far = {'box': np.array([0.15, 0.45, 0.02, 1, 0, 0, 0])}
    monkeypatch.setattr(demonstrator._robot.simulation, 'object_poses', lambda: far)
    failed = demonstrator.record(tmp_path, SEED)
    assert not failed.is_success
    assert failed.path == tmp_path / 'failures' / f'episode_{SEED:06d}'
    assert EpisodeReader(failed.path).metadata.label.outcome == 'failure'


def test_the_cube_comes_between_the_open_left_fingers_without_touching_them():
    """There are 13 mm above and below it; a policy that learns this is off by some of them."""
    robot = VirtualRobot(ALOHA, 'transfer_cube')
    simulation, left = robot.simulation, ALOHA.arms[0]
    kinematics = ArmKinematics(simulation.model, left)
    simulation.reset(seed=SEED, now_ns=0)
    plan = Expert(ALOHA, simulation.model, 'transfer_cube').plan(simulation.object_poses())
    robot.reset(SEED)
    robot.submit(ActionChunk(positions=plan[1:], stamp_ns=START_NS, period_ns=40_000_000))
    heights_m = []
    while not robot.status.is_success:
        robot.advance()
        fingers_m = kinematics.pose(np.array(robot.samples[left.name].positions)[:6]).position_m
        if robot.status.stage_name == 'right gripper lifts' and fingers_m[0] > -0.06:
            heights_m.append((simulation.object_poses()['box'][:3] - fingers_m)[2])
    assert heights_m and np.abs(heights_m).max() < 0.0065


def test_a_hurried_operator_closes_on_nothing_and_then_does_the_task(tmp_path):
    settings = DemonstrationSettings(
        task='transfer_cube_hard', miss_share=0.5, recorded_image_rate_hz=5.0,
        max_disturbance_rad=0.0, software_version='0')
    seed = next(seed for seed in range(SEED, SEED + 99) if draw_misses(seed, 0.5))
    hurried = Demonstrator(ALOHA, TOPICS, settings)
    demonstration = hurried.record(tmp_path, seed)
    hurried.close()
    assert demonstration.is_success
    reader = EpisodeReader(demonstration.path)
    images = [topic.rate_hz for name, topic in reader.topics.items()
              if name.endswith('/compressed')]
    assert images == pytest.approx([5] * 3, rel=0.01)
    gripper = column(reader, '/follower_right/commands/joint_single', 'cmd')
    is_closed = gripper < ALOHA.arms[1].gripper.joint_from_opening(0.5)
    assert np.count_nonzero(np.diff(is_closed.astype(int)) == 1) == 2


@pytest.mark.parametrize('early_m', [0.05, 0.06])
def test_a_gripper_that_closes_too_early_leaves_the_cube_where_it_is(early_m):
    robot = VirtualRobot(ALOHA, 'transfer_cube_hard')
    simulation = robot.simulation
    simulation.reset(seed=SEED, now_ns=0)
    start = simulation.object_poses()
    expert = Expert(ALOHA, simulation.model, 'transfer_cube_hard')
    at_once, late = (expert.plan(start, misses_m=misses_m) for misses_m in ((), (early_m,)))
    robot.reset(SEED)
    robot.submit(ActionChunk(positions=late[1:], stamp_ns=START_NS, period_ns=40_000_000))
    while robot.now_ns < START_NS + (len(late) - len(at_once)) * 40_000_000:
        robot.advance()
        np.testing.assert_allclose(simulation.object_poses()['box'], start['box'], atol=1e-3)


def test_takes_of_a_scene_begin_alike_and_part_at_the_first_grasp(tmp_path):
    hurried = Demonstrator(ALOHA, TOPICS, DemonstrationSettings(
        task='transfer_cube_hard', miss_share=0.5, takes=2, recorded_image_rate_hz=5.0,
        software_version='0'))
    # The first take does not miss, so that the second one does.
    seed = next(seed for seed in range(SEED, SEED + 99) if not draw_misses(seed, 0.5))
    takes = [hurried.record(tmp_path, seed, take) for take in (0, 1)]
    hurried.close()
    assert [take.path.name for take in takes] == [
        f'episode_{seed:06d}', f'episode_{seed:06d}_2']
    readers = [EpisodeReader(take.path) for take in takes]
    first_images, joints = ([[message.data for message in reader.messages([topic])]
                             for reader in readers] for topic in (
        '/cam_high/camera/color/image_rect_raw/compressed', '/follower_right/joint_states'))
    assert first_images[0][0] == first_images[1][0]
    assert joints[0][:200] == joints[1][:200] and joints[0][300] != joints[1][300]
    assert takes[1].duration_s > takes[0].duration_s + 5


def test_takes_that_decide_alike_are_not_the_same_recording(tmp_path):
    patient = Demonstrator(ALOHA, TOPICS, DemonstrationSettings(
        task='lift_cube', miss_share=0.25, takes=2, recorded_image_rate_hz=5.0,
        software_version='0'))
    seed = next(seed for seed in range(SEED, SEED + 99) if not any(
        draw_misses(seed, 0.25, take_share=share) for share in (0, 0.5)))
    joints = [column(EpisodeReader(patient.record(tmp_path, seed, take).path),
                     '/follower_right/joint_states', 'position') for take in (0, 1)]
    patient.close()
    shared = min(map(len, joints))
    assert np.abs(joints[0][:shared] - joints[1][:shared]).max() > 1e-3


@pytest.mark.parametrize('takes, miss_share, missing', [(2, 0.5, {1}), (5, 0.4, {2}),
                                                        (2, 0.25, {0, 1})])
def test_takes_share_the_misses_among_them(takes, miss_share, missing):
    draws = [[draw_misses(seed, miss_share, take_share=take / takes) for take in range(takes)]
             for seed in range(500)]
    assert {sum(map(bool, scene)) for scene in draws} == missing
    assert np.mean([[bool(take) for take in scene] for scene in draws]) == pytest.approx(
        miss_share, abs=0.03)
    for scene in draws:
        assert len({tuple(misses) for misses in scene if misses}) <= 1


def test_misses_are_drawn_in_their_share_and_repeat():
    draws = [draw_misses(seed, 0.4) for seed in range(2000)]
    assert np.mean([bool(misses) for misses in draws]) == pytest.approx(0.4, abs=0.04)
    heights_m = np.concatenate(draws)
    assert 0.045 < heights_m.min() < heights_m.max() < 0.065
    assert draws == [draw_misses(seed, 0.4) for seed in range(2000)]
    assert not any(draw_misses(seed, 0.0) for seed in range(100))


@pytest.mark.parametrize('setting', [
    {'takes': 0, 'miss_share': 0.5}, {'takes': 2},
    {'miss_share': 1.0}, {'miss_share': -0.1}, {'miss_share': float('nan')},
    {'recorded_image_rate_hz': 7.0}, {'recorded_image_rate_hz': 0.0},
    {'recorded_image_rate_hz': 50.0}, {'recorded_image_rate_hz': float('nan')}], ids=str)
def test_impossible_settings_are_refused_by_name(setting):
    with pytest.raises(ConfigurationError, match=f'{next(iter(setting))} is '):
        DemonstrationSettings(task=TASK, software_version='0', **setting)
