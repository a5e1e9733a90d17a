# SPDX-License-Identifier: Apache-2.0
"""The scripted policy: what it answers, and that its answers transfer the cube."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.simulation.expert_policy import ScriptedExpertPolicy
from cosmos_policy_ros.simulation.renderer import CameraRenderer
from cosmos_policy_ros.simulation.simulated_aloha import SimulatedAloha
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_V1
from cosmos_policy_ros.spec.observation import Observation

MS = 1_000_000
PERIOD_NS = 40 * MS
TASK = 'transfer the cube'


@pytest.fixture(scope='module')
def renderer(model):
    renderer = CameraRenderer(model)
    yield renderer
    renderer.close()


@pytest.fixture(scope='module')
def image(renderer):
    return renderer.render(SimulatedAloha(ALOHA, log=lambda *_: None).snapshot(), 'cam_high')


@pytest.fixture
def policy():
    return ScriptedExpertPolicy(ALOHA)


def observation(image, stamp_ns=0, task=TASK, proprio=ALOHA.start_pose + 0.1):
    return Observation(images={'cam_high': image}, proprio=proprio, stamp_ns=stamp_ns,
                       task=task)


def test_a_prediction_is_a_chunk_of_the_plan(policy, image):
    prediction = policy.predict(observation(image, 7 * MS), 3)
    assert prediction.chunk.positions.shape == (50, 14)
    assert (prediction.chunk.stamp_ns, prediction.chunk.period_ns) == (7 * MS, PERIOD_NS)
    assert (prediction.mode, prediction.seed, prediction.num_denoising_steps) == ('scripted', 3, 0)
    assert (prediction.future_proprio == prediction.chunk.positions[-1]).all()
    assert prediction.value == 0
    assert not prediction.future_images


def test_later_chunks_continue_the_plan_at_their_own_time(policy, image):
    first = policy.predict(observation(image), 0).chunk
    blank = np.zeros_like(image)
    later = policy.predict(observation(blank, 10 * PERIOD_NS), 0).chunk
    np.testing.assert_allclose(later.positions[:40], first.positions[10:], atol=1e-12)
    between = policy.predict(observation(blank, 10 * PERIOD_NS + PERIOD_NS // 2), 0).chunk
    np.testing.assert_allclose(between.positions[:39],
                               (first.positions[10:49] + first.positions[11:]) / 2, atol=1e-12)


def test_the_last_pose_is_held_and_the_value_ends_at_one(policy, image):
    start = policy.predict(observation(image), 0)
    middle = policy.predict(observation(image, 150 * PERIOD_NS), 0)
    end = policy.predict(observation(image, 10**6 * PERIOD_NS), 0)
    assert (end.chunk.positions == end.chunk.positions[0]).all()
    assert start.value < middle.value < end.value == 1


def test_the_plan_waits_for_arms_that_are_not_started_yet(policy, image):
    first = policy.predict(observation(image, proprio=ALOHA.start_pose), 0).chunk.positions
    later = policy.predict(
        observation(image, 5 * 10**9, proprio=ALOHA.start_pose), 0).chunk.positions
    np.testing.assert_allclose(later, first)


def test_a_reset_makes_it_look_again(policy, image):
    policy.predict(observation(image), 0)
    policy.reset()
    with pytest.raises(ObservationError, match='no red cube'):
        policy.predict(observation(np.zeros_like(image)), 0)
    again = policy.predict(observation(image, 10**12), 0)
    np.testing.assert_allclose(again.chunk.positions[0], ALOHA.start_pose)


def test_a_missing_camera_is_named(policy, image):
    blind = Observation(images={'cam_low': image}, proprio=ALOHA.start_pose, stamp_ns=0, task=TASK)
    with pytest.raises(ObservationError, match="needs 'cam_high'.*cam_low"):
        policy.predict(blind, 0)


def test_another_task_is_refused(policy, image):
    with pytest.raises(ObservationError, match="'fold the shirt'.*transfer the cube"):
        policy.predict(observation(image, task='fold the shirt'), 0)


def test_objects_that_cannot_be_seen_must_be_told():
    with pytest.raises(ConfigurationError, match="'insertion'.*'transfer_cube'"):
        ScriptedExpertPolicy(ALOHA, task='insertion')


def test_an_expert_that_is_told_needs_no_camera():
    simulation = SimulatedAloha(ALOHA, log=lambda *_: None, task='insertion')
    policy = ScriptedExpertPolicy(
        ALOHA, task='insertion', object_poses=simulation.object_poses)
    assert policy.camera_names == ()
    blind = Observation(images={}, proprio=ALOHA.start_pose, stamp_ns=0,
                        task=simulation.task_text)
    assert policy.predict(blind, 0).chunk.positions.shape == (50, 14)


def test_planning_is_refused(policy, image):
    assert not policy.can_plan
    with pytest.raises(ConfigurationError, match='cannot plan'):
        policy.predict(observation(image), 0, planning='anything')


def test_a_clock_that_runs_back_is_refused(policy, image):
    policy.predict(observation(image, 100), 0)
    with pytest.raises(ObservationError, match='1 ns older'):
        policy.predict(observation(image, 99), 0)


@pytest.mark.parametrize(('robot', 'seed', 'latency_ms', 'bias_rad'), [
    (ALOHA, 0, 0, 0.0), (ALOHA, 1, 300, 0.005), (ALOHA_V1, 2, 300, 0.0)])
def test_the_cube_is_transferred_strictly(renderer, robot, seed, latency_ms, bias_rad):
    simulation = SimulatedAloha(robot, log=lambda *_: None)
    policy = ScriptedExpertPolicy(robot)
    simulation.reset(seed=seed, now_ns=0)
    for arm in robot.arms:
        with simulation.driver(arm.name) as driver:
            driver.set_operating_modes(
                0, 'single', 'gripper', mode='current_based_position', profile_type='velocity',
                profile_velocity=0, profile_acceleration=0)
    bias = np.random.default_rng(seed).normal(0, bias_rad, robot.num_joints)
    bias[list(robot.gripper_indices)] = 0
    chunk, coming = None, []
    for now_ms in range(100, 15_000, 20):
        simulation.advance_to(now_ms * MS)
        if now_ms % 1000 == 100:
            snapshot = simulation.snapshot()
            seen = observation(renderer.render(snapshot, 'cam_high'), snapshot.stamp_ns)
            coming.append((now_ms + latency_ms, policy.predict(seen, 0).chunk))
        if coming and now_ms >= coming[0][0]:
            chunk = coming.pop(0)[1]
        if chunk is not None:
            send(simulation, robot, command_at(chunk, now_ms * MS) + bias, now_ms * MS)
        if simulation.status.is_success:
            return
    pytest.fail(f'stage {simulation.status.stage_name} is as far as it came')


def command_at(chunk, now_ns):
    steps = (now_ns - chunk.stamp_ns) / chunk.period_ns - 1
    return np.array([np.interp(steps, np.arange(50), column) for column in chunk.positions.T])


def send(simulation, robot, joints, now_ns):
    for index, arm in enumerate(robot.arms):
        part = joints[robot.arm_slice(index)]
        with simulation.driver(arm.name) as driver:
            driver.command_group(now_ns, 'arm', part[:-1])
            driver.command_single(now_ns, 'gripper', arm.gripper.joint_from_opening(part[-1]))
