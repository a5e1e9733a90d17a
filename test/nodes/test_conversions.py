# SPDX-License-Identifier: Apache-2.0
"""Messages to spec and back; chunks with hostile contents."""

from hypothesis import given, settings, strategies
import numpy as np
import pytest
from sensor_msgs.msg import JointState

from cosmos_policy_ros.errors import ObservationError, PredictionError
from cosmos_policy_ros.nodes import conversions
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0

JOINTS = ALOHA.num_joints


def chunk(positions: np.ndarray, **changes: int) -> ActionChunk:
    """Make a chunk at 25 Hz."""
    return ActionChunk(**{'positions': positions, 'stamp_ns': 5 * 10**9 + 7,
                          'period_ns': 40_000_000, **changes})


@settings(max_examples=20, deadline=None)
@given(size=strategies.integers(1, 60), stamp_ns=strategies.integers(0, 2**62),
       seed=strategies.integers(0, 1000))
def test_a_chunk_survives_the_round_trip_over_a_trajectory(size, stamp_ns, seed):
    positions = np.random.default_rng(seed).normal(size=(size, JOINTS))
    sent = chunk(positions, stamp_ns=stamp_ns)
    received = conversions.chunk_from_trajectory(
        conversions.trajectory_from_chunk(sent, ALOHA), ALOHA)
    np.testing.assert_array_equal(received.positions, positions)
    assert (received.stamp_ns, received.period_ns) == (sent.stamp_ns, sent.period_ns)


def test_point_k_of_the_trajectory_is_due_after_k_plus_one_periods():
    msg = conversions.trajectory_from_chunk(chunk(np.zeros((30, JOINTS))), ALOHA)
    assert conversions.duration_to_ns(msg.points[0].time_from_start) == 40_000_000
    assert conversions.duration_to_ns(msg.points[29].time_from_start) == 1_200_000_000
    assert msg.points[29].time_from_start.sec == 1


def test_joints_are_put_in_order_by_name():
    positions = np.arange(2.0 * JOINTS).reshape(2, JOINTS)
    msg = conversions.trajectory_from_chunk(chunk(positions), ALOHA)
    received = conversions.chunk_from_trajectory(msg, ALOHA_2_0)
    np.testing.assert_array_equal(received.positions[:, :7], positions[:, 7:])


@pytest.mark.parametrize('spoil', [
    lambda msg: msg.joint_names.pop(),
    lambda msg: msg.joint_names.__setitem__(0, 'left_tail'),
    lambda msg: msg.joint_names.__setitem__(0, msg.joint_names[1]),
    lambda msg: msg.points[1].positions.pop(),
    lambda msg: msg.points.clear(),
    lambda msg: msg.points.reverse(),
    lambda msg: setattr(msg.points[0].time_from_start, 'nanosec', 0),
    lambda msg: msg.points[0].positions.__setitem__(3, float('nan')),
])
def test_a_trajectory_that_is_no_chunk_is_refused(spoil):
    msg = conversions.trajectory_from_chunk(chunk(np.zeros((3, JOINTS))), ALOHA)
    spoil(msg)
    with pytest.raises(PredictionError):
        conversions.chunk_from_trajectory(msg, ALOHA)


def test_a_joint_state_is_looked_up_by_name():
    arm = ALOHA.arms[0]
    names = ['left_finger', *reversed(arm.joint_names), 'gripper']
    positions = [arm.gripper.finger_open_m, *range(6), 1.0]
    positions[1:7] = [value / 10 for value in positions[1:7]]
    sample = conversions.joint_sample(JointState(name=names, position=positions), arm)
    np.testing.assert_allclose(sample.positions, [.5, .4, .3, .2, .1, 0.0, 1.0])


def test_a_joint_state_without_the_finger_is_refused():
    arm = ALOHA.arms[0]
    with pytest.raises(ObservationError, match='left_finger'):
        conversions.joint_sample(
            JointState(name=list(arm.joint_names), position=[0.0] * 6), arm)
