# SPDX-License-Identifier: Apache-2.0
"""The simulated operator: moves without jumps, gives the start gesture, does the plan."""

import numpy as np
import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.recording.gesture import GripperGesture
from cosmos_policy_ros.simulation.simulated_operator import RETURN_S, SimulatedOperator
from cosmos_policy_ros.spec.aloha import ALOHA, CHUNK_PERIOD_S
from cosmos_policy_ros.spec.leader import leader_specs

S = 10**9
STEP = 10_000_000
PLAN = ALOHA.start_pose + np.linspace(0, 1, 51)[:, None] * np.where(
    np.arange(ALOHA.num_joints) == 0, 0.5, 0.0)
GRIPPERS = list(ALOHA.gripper_indices)


def watch(operator, from_ns, duration_s):
    """Return the poses of a while, one every 10 ms."""
    return np.array([operator.joints_at(from_ns + i * STEP)
                     for i in range(round(duration_s * S / STEP))])


def test_a_waiting_recorder_sees_the_start_gesture_again_and_again():
    operator = SimulatedOperator(ALOHA, lambda: PLAN)
    operator.follow('waiting', 0)
    gesture = GripperGesture(
        {leader.name: leader.gripper.start_below_rad for leader in leader_specs(ALOHA)},
        hold_s=0.3)
    seen = [any([gesture.update(leader.name, leader.gripper.joint_from_opening(pose[index]),
                                step * STEP)
                 for leader, index in zip(leader_specs(ALOHA), GRIPPERS)])
            for step, pose in enumerate(watch(operator, 0, 13.0))]
    assert sum(seen) == 2


def test_while_recording_the_plan_is_done_on_time():
    operator = SimulatedOperator(ALOHA, lambda: PLAN)
    operator.follow('recording', S)
    end_ns = S + round((0.3 + 50 * CHUNK_PERIOD_S) * S)
    assert np.allclose(operator.joints_at(end_ns), PLAN[-1])
    assert np.allclose(operator.joints_at(end_ns + 100 * S), PLAN[-1])


def test_no_change_of_state_makes_the_arms_jump():
    operator, now_ns = SimulatedOperator(ALOHA, lambda: PLAN), 0
    poses = []
    for state, duration_s in (('waiting', 3.0), ('warm_up', 0.5), ('recording', 1.0),
                              ('saving', 0.2), ('reset', 1.0), ('waiting', 3.2),
                              ('recording', 3.0), ('done', 2.0)):
        operator.follow(state, now_ns)
        poses.append(watch(operator, now_ns, duration_s))
        now_ns += round(duration_s * S)
    assert np.abs(np.diff(np.concatenate(poses), axis=0)).max() < 0.05
    assert np.allclose(poses[-1][-1][GRIPPERS], 1.0)


def test_the_scene_is_put_back_once_after_every_return():
    operator = SimulatedOperator(ALOHA, lambda: PLAN)
    assert not operator.wants_new_scene(100 * S)
    operator.follow('recording', 0)
    operator.follow('reset', S)
    later_ns = S + round(RETURN_S * S)
    assert [operator.wants_new_scene(t) for t in (S, later_ns, later_ns)] == [False, True, False]


def test_without_a_plan_the_operator_stays_and_says_why():
    def no_plan():
        raise PredictionError('out of reach')
    operator = SimulatedOperator(ALOHA, no_plan)
    before = operator.joints_at(S)
    with pytest.raises(PredictionError, match='out of reach'):
        operator.follow('recording', S)
    assert (operator.joints_at(2 * S) == before).all()
