# SPDX-License-Identifier: Apache-2.0
"""A driver's joint state becomes a joint vector only if it can be a measurement."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.robot.joint_state import (
    joint_sample_from_state, joint_vector_from_state, JointSample)
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_V1, ARM_JOINTS

ARM = ALOHA.arms[0]
NAMES = (*ARM_JOINTS, 'gripper', 'left_finger', 'right_finger')


def _positions(joints=ARM.start_rad, angle_rad=0.9, finger_m=0.05) -> list[float]:
    return [*joints, angle_rad, finger_m, -finger_m]


JOINTS = st.tuples(*(st.floats(low, high) for low, high in zip(ARM.lower_rad, ARM.upper_rad)))
PLAUSIBLE_JOINTS = JOINTS.filter(lambda joints: max(joints) > -3.1)


@given(joints=PLAUSIBLE_JOINTS, order=st.permutations(range(9)))
def test_joints_are_found_by_name_in_any_order(joints, order):
    positions = _positions(joints)
    vector = joint_vector_from_state(
        ARM, [NAMES[i] for i in order], [positions[i] for i in order])
    np.testing.assert_array_equal(vector[:6], joints)


@given(finger_m=st.floats(0.0, 0.07))
def test_opening_is_calibrated_and_never_clipped(finger_m):
    for robot in (ALOHA, ALOHA_V1):
        arm = robot.arms[0]
        vector = joint_vector_from_state(arm, NAMES, _positions(finger_m=finger_m))
        closed, opened = arm.gripper.finger_closed_m, arm.gripper.finger_open_m
        assert closed + vector[6] * (opened - closed) == pytest.approx(finger_m)


def test_overdriven_gripper_is_observed_beyond_one():
    vector = joint_vector_from_state(ARM, NAMES, _positions(finger_m=0.06244))
    assert vector[6] == pytest.approx(1.327, abs=1e-3)


@pytest.mark.parametrize('lost', [*ARM_JOINTS, 'left_finger'])
def test_missing_joint_is_named_together_with_what_was_received(lost):
    pairs = [pair for pair in zip(NAMES, _positions()) if pair[0] != lost]
    names, positions = zip(*pairs)
    with pytest.raises(ObservationError, match=f'joint state lacks {lost}') as error:
        joint_vector_from_state(ARM, names, positions)
    assert str(list(names)) in str(error.value)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('index', [0, 5, 7])
def test_value_that_is_no_number_is_refused(bad, index):
    positions = _positions()
    positions[index] = bad
    with pytest.raises(ObservationError, match=f'{NAMES[index]} is {bad}'):
        joint_vector_from_state(ARM, NAMES, positions)


@given(noise=st.lists(st.floats(-9e-4, 9e-4), min_size=6, max_size=6))
def test_failed_read_is_recognised_although_every_joint_could_be_near_it(noise):
    with pytest.raises(ObservationError, match='failed read'):
        joint_vector_from_state(ARM, NAMES, _positions([x - math.pi for x in noise]))


def test_joints_that_may_turn_to_minus_pi_are_believed_there():
    joints = (-math.pi, 0.0, 0.0, -math.pi, 0.0, -math.pi)
    np.testing.assert_array_equal(
        joint_vector_from_state(ARM, NAMES, _positions(joints))[:6], joints)


@given(index=st.integers(0, 5), beyond=st.floats(0.201, 10.0), is_upper=st.booleans())
def test_joint_far_outside_its_limits_is_refused(index, beyond, is_upper):
    joints = list(ARM.start_rad)
    joints[index] = (ARM.upper_rad[index] + beyond if is_upper
                     else ARM.lower_rad[index] - beyond)
    with pytest.raises(ObservationError, match=f'{ARM_JOINTS[index]} is .* implausible'):
        joint_vector_from_state(ARM, NAMES, _positions(joints))


def test_vendor_sleep_pose_a_little_outside_the_limits_is_believed():
    joints = (0.0, -2.05, 1.7, 0.0, -2.0, 0.0)
    np.testing.assert_array_equal(
        joint_vector_from_state(ARM, NAMES, _positions(joints))[:6], joints)


@pytest.mark.parametrize('positions', [[], _positions()[:-1], [*_positions(), 0.0]])
def test_values_that_are_not_one_per_name_are_refused(positions):
    with pytest.raises(ObservationError, match=f'{len(positions)} values'):
        joint_vector_from_state(ARM, NAMES, positions)


def test_name_given_twice_is_refused():
    names = ('shoulder', *NAMES[1:])
    with pytest.raises(ObservationError, match='no name twice'):
        joint_vector_from_state(ARM, names, _positions())


def test_sample_carries_motor_angle_velocities_and_efforts():
    numbers = [float(i) for i in range(9)]
    sample = joint_sample_from_state(
        ARM, NAMES, _positions(angle_rad=0.7), stamp_ns=5, velocities=numbers, efforts=numbers)
    assert (sample.stamp_ns, sample.gripper_angle_rad) == (5, 0.7)
    np.testing.assert_array_equal(sample.velocities, numbers[:7])
    np.testing.assert_array_equal(sample.efforts, numbers[:7])


def test_sample_does_without_motor_angle_velocities_and_efforts():
    names, positions = zip(*(p for p in zip(NAMES, _positions()) if p[0] != 'gripper'))
    sample = joint_sample_from_state(ARM, names, positions, stamp_ns=0)
    assert (sample.gripper_angle_rad, sample.velocities, sample.efforts) == (None, None, None)


def test_velocities_that_are_no_numbers_are_refused():
    velocities = [0.0] * 8 + [math.nan]
    joint_sample_from_state(ARM, NAMES, _positions(), stamp_ns=0, velocities=velocities)
    velocities[6] = math.nan
    with pytest.raises(ObservationError, match='gripper is nan'):
        joint_sample_from_state(ARM, NAMES, _positions(), stamp_ns=0, velocities=velocities)


def test_sample_is_a_locked_copy():
    positions = np.zeros(7)
    sample = JointSample(positions=positions, stamp_ns=0)
    positions[0] = 1.0
    assert sample.positions[0] == 0.0
    with pytest.raises(ValueError):
        sample.positions[0] = 1.0


@pytest.mark.parametrize('fields', [
    {'positions': [0.0, math.nan]}, {'positions': [[0.0]]},
    {'positions': [0.0, 0.0], 'efforts': [1.0]}])
def test_sample_of_wrong_shape_or_without_numbers_is_refused(fields):
    with pytest.raises(ObservationError):
        JointSample(stamp_ns=0, **fields)
