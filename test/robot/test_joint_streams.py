# SPDX-License-Identifier: Apache-2.0
"""The joints of both arms are usable only together."""

from __future__ import annotations

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.joint_streams import JointStreams
from cosmos_policy_ros.robot.run_state import StopReason
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
LEFT, RIGHT = (arm.name for arm in ALOHA.arms)


def _sample(value: float, stamp_ms: int) -> JointSample:
    return JointSample(positions=np.full(7, value), stamp_ns=stamp_ms * MS)


def _streams(**stamps_ms: int) -> JointStreams:
    streams = JointStreams(ALOHA, max_age_s=0.05, future_tolerance_s=0.02)
    for arm_name, stamp_ms in stamps_ms.items():
        streams.update(arm_name, _sample(0.1, stamp_ms), stamp_ms * MS)
    return streams


def test_vector_holds_the_arms_in_the_robots_order():
    streams = _streams()
    streams.update(RIGHT, _sample(2.0, 5), 5 * MS)
    assert streams.positions is None
    streams.update(LEFT, _sample(1.0, 7), 7 * MS)
    np.testing.assert_array_equal(streams.positions, [1.0] * 7 + [2.0] * 7)
    assert (streams.oldest_stamp_ns, streams.age_s(10 * MS)) == (5 * MS, 0.005)


def test_holding_commands_the_opening_of_the_motor_not_that_of_the_finger():
    streams = JointStreams(ALOHA, max_age_s=0.05, future_tolerance_s=0.02)
    gripper = ALOHA.arms[0].gripper
    streams.update(RIGHT, _sample(0.3, 5), 5 * MS)
    assert streams.holding_positions is None
    streams.update(LEFT, JointSample(
        positions=np.full(7, 0.3), stamp_ns=5 * MS,
        gripper_angle_rad=gripper.joint_from_opening(0.8)), 5 * MS)
    expected = np.full(14, 0.3)
    expected[6] = 0.8
    np.testing.assert_allclose(streams.holding_positions, expected)
    np.testing.assert_array_equal(streams.positions, np.full(14, 0.3))


def test_one_arm_alone_has_neither_vector_nor_age():
    streams = _streams(**{LEFT: 0})
    assert (streams.positions, streams.oldest_stamp_ns, streams.age_s(0)) == (None, None, None)
    problem, = streams.problems(0)
    assert (problem.reason, problem.text) == (
        StopReason.JOINT_STATES_MISSING, 'follower_right joints: missing')


def test_fresh_arms_have_no_problem():
    assert _streams(**{LEFT: 0, RIGHT: 40}).problems(50 * MS) == []


def test_stale_arm_is_named_with_age_and_limit():
    problem, = _streams(**{LEFT: 0, RIGHT: 40}).problems(51 * MS)
    assert (problem.reason, problem.text) == (
        StopReason.JOINT_STATES_STALE, 'follower_left joints: 0.051 s old (limit 0.050 s)')


def test_refused_samples_are_no_problem_while_the_last_good_one_is_fresh():
    streams = _streams(**{LEFT: 0, RIGHT: 0})
    streams.refuse(LEFT, 'failed read')
    assert streams.problems(50 * MS) == []
    problem, *_ = streams.problems(51 * MS)
    assert problem.reason is StopReason.JOINT_STATES_IMPLAUSIBLE
    assert 'failed read' in problem.text


def test_good_sample_ends_the_suspicion():
    streams = _streams(**{LEFT: 0, RIGHT: 0})
    streams.refuse(LEFT, 'failed read')
    streams.update(LEFT, _sample(0.1, 10), 10 * MS)
    reasons = {problem.reason for problem in streams.problems(100 * MS)}
    assert reasons == {StopReason.JOINT_STATES_STALE}


def test_arm_that_was_only_ever_implausible_is_not_called_missing():
    streams = _streams(**{RIGHT: 0})
    streams.refuse(LEFT, 'failed read')
    problem, = streams.problems(0)
    assert problem.reason is StopReason.JOINT_STATES_IMPLAUSIBLE


def test_unknown_arm_is_refused_by_name():
    for call in (lambda s: s.update('leader_left', _sample(0, 0), 0),
                 lambda s: s.refuse('leader_left', '')):
        with pytest.raises(ConfigurationError, match="'leader_left'.*follower_left"):
            call(_streams())


def test_sample_with_the_wrong_number_of_joints_is_refused():
    with pytest.raises(ObservationError, match='sample of 6 joints, expected 7'):
        _streams().update(LEFT, JointSample(positions=np.zeros(6), stamp_ns=0), 0)
