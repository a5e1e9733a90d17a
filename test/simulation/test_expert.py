# SPDX-License-Identifier: Apache-2.0
"""The plan of the scripted expert: smooth, slow, within limits, wherever the cube lies."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.simulation.expert import (
    Expert, GRIPPER_SPEED_SHARE, interpolate_pose, MAX_JOINT_SPEED_RAD_S)
from cosmos_policy_ros.simulation.expert_legs import HOLD
from cosmos_policy_ros.simulation.kinematics import ArmKinematics, GripperPose
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_V1, CHUNK_PERIOD_S

# Position in [m] and yaw in [rad].
CUBES = [(0.0, 0.4, 0.0), (0.0, 0.6, 0.0), (0.2, 0.4, 0.0), (0.2, 0.6, 0.7), (0.1, 0.5, -0.7),
         (0.03, 0.47, 0.3)]
GRIPPERS = list(ALOHA.gripper_indices)
ARMS = [i for i in range(14) if i not in GRIPPERS]


def cube_at(x, y, yaw=0.0):
    return {'box': np.array([x, y, 0.02, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])}


@pytest.fixture(scope='module', params=[ALOHA, ALOHA_V1], ids=lambda robot: robot.name)
def robot(request):
    return request.param


@pytest.fixture(scope='module', params=CUBES, ids=str)
def plan(request, model, robot):
    return Expert(robot, model, 'transfer_cube_hard').plan(cube_at(*request.param))


def test_a_plan_dwells_at_the_start_pose_and_at_its_end(plan, robot):
    dwell = round(0.5 / CHUNK_PERIOD_S)
    np.testing.assert_allclose(plan[:dwell + 1], np.tile(robot.start_pose, (dwell + 1, 1)))
    np.testing.assert_allclose(plan[-dwell:], np.tile(plan[-1], (dwell, 1)), atol=1e-9)


def test_a_plan_is_slow(plan, robot):
    speed = np.abs(np.diff(plan, axis=0)) / CHUNK_PERIOD_S
    assert speed[:, ARMS].max() <= MAX_JOINT_SPEED_RAD_S * 1.01
    limit = GRIPPER_SPEED_SHARE * robot.velocity_limit[GRIPPERS]
    assert (speed[:, GRIPPERS] <= limit * 1.01).all()


def test_a_plan_is_smooth(plan):
    acceleration = np.abs(np.diff(plan[:, ARMS], 2, axis=0)) / CHUNK_PERIOD_S**2
    assert acceleration.max() < 8.0


def test_a_plan_keeps_clear_of_the_joint_limits(plan, robot):
    assert (plan[:, ARMS] >= robot.lower[ARMS] + 0.05).all()
    assert (plan[:, ARMS] <= robot.upper[ARMS] - 0.05).all()
    assert plan[:, GRIPPERS].min() >= 0 and plan[:, GRIPPERS].max() <= 1


def test_the_left_gripper_holds_before_the_right_one_lets_go(plan):
    left, right = plan[:, 6], plan[:, 13]
    last_open = int(np.flatnonzero(left > left[-1] + 1e-6)[-1])
    last_closed = int(np.flatnonzero(right < right.min() + 0.3)[-1])
    assert last_closed > last_open + round(0.2 / CHUNK_PERIOD_S)
    assert right[-1] == 1


def test_a_cube_out_of_reach_is_refused(model):
    with pytest.raises(PredictionError, match='cannot reach'):
        Expert(ALOHA, model, 'transfer_cube').plan(cube_at(-0.6, 0.5))


def test_the_wait_at_the_start_can_be_left_out(model):
    expert = Expert(ALOHA, model, 'transfer_cube')
    waiting = expert.plan(cube_at(0.1, 0.5))
    at_once = expert.plan(cube_at(0.1, 0.5), wait_s=0.0)
    np.testing.assert_allclose(at_once[1:], waiting[-len(at_once) + 1:])
    assert len(waiting) - len(at_once) == round(0.6 / CHUNK_PERIOD_S)


def test_a_turn_by_a_quarter_changes_nothing_for_a_cube(model):
    expert = Expert(ALOHA, model, 'transfer_cube_hard')
    plans = [expert.plan(cube_at(0.1, 0.5, yaw)) for yaw in (0.2, 0.2 - np.pi / 2)]
    np.testing.assert_allclose(*plans, atol=1e-9)


def test_misses_close_above_the_cube_and_the_last_closing_is_at_it(model, robot):
    misses_m = (0.05, 0.06)
    plan = Expert(robot, model, 'transfer_cube_hard').plan(
        cube_at(0.1, 0.5, 0.5), misses_m=misses_m)
    is_closed = np.abs(plan[:, 13] - HOLD) < 1e-9
    closings = np.flatnonzero(np.diff(is_closed.astype(int)) == 1) + 1
    right = ArmKinematics(model, robot.arms[1])
    closed_m = [right.pose(plan[step, 7:13]).position_m for step in closings]
    np.testing.assert_allclose(
        closed_m, [cube_at(0.1, 0.5)['box'][:3] + [0, 0, miss_m] for miss_m in (*misses_m, 0.0)],
        atol=1e-3)


def test_a_miss_is_noticed_when_the_cube_is_to_be_handed_over(model, robot):
    at_once, late = (Expert(robot, model, 'transfer_cube_hard').plan(
        cube_at(0.1, 0.5), misses_m=misses_m) for misses_m in ((), (0.05,)))
    parting = np.flatnonzero(np.abs(late[:len(at_once)] - at_once).max(axis=1) > 1e-6)[0]
    assert 1.5 < parting * CHUNK_PERIOD_S < 3.5
    assert 6 < (len(late) - len(at_once)) * CHUNK_PERIOD_S < 9


def test_an_expert_that_never_misses_says_so(model):
    ends = {name: np.array([x, 0.5, 0.02, 1, 0, 0, 0]) for name, x in
            (('peg', 0.1), ('socket', -0.1))}
    with pytest.raises(ConfigurationError, match="never misses.*'insertion'"):
        Expert(ALOHA, model, 'insertion').plan(ends, misses_m=(0.04,))


def test_a_task_without_an_expert_is_refused(model):
    with pytest.raises(ConfigurationError, match="'fold'.*transfer_cube"):
        Expert(ALOHA, model, 'fold')


@given(share=st.floats(0, 1))
def test_an_interpolated_pose_lies_between(share):
    half = np.sqrt(0.5)
    start = GripperPose(position_m=np.zeros(3), quaternion=np.array([1.0, 0, 0, 0]))
    end = GripperPose(position_m=np.array([1.0, 2, 3]), quaternion=np.array([half, half, 0, 0]))
    pose = interpolate_pose(start, end, share)
    np.testing.assert_allclose(pose.position_m, share * end.position_m)
    angle = share * np.pi / 4
    np.testing.assert_allclose(pose.quaternion, [np.cos(angle), np.sin(angle), 0, 0], atol=1e-12)
