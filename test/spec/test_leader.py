# SPDX-License-Identifier: Apache-2.0
"""Leader arms: calibrations that invert, thresholds that a closed gripper passes."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.spec.aloha import ALOHA, ROBOTS
from cosmos_policy_ros.spec.leader import LEADER_GRIPPERS, leader_specs


@given(st.sampled_from(sorted(LEADER_GRIPPERS)), st.floats(-1, 2))
def test_opening_and_angle_are_inverse(name, opening):
    gripper = LEADER_GRIPPERS[name]
    angle_rad = gripper.joint_from_opening(opening)
    assert gripper.opening_from_joint(angle_rad) == pytest.approx(opening)


@pytest.mark.parametrize('robot', ROBOTS.values(), ids=lambda robot: robot.name)
def test_a_closed_gripper_is_a_start_cue_and_a_half_open_one_is_none(robot):
    for leader, arm in zip(leader_specs(robot), robot.arms, strict=True):
        assert leader.follower == arm.name and leader.name == f'leader_{arm.side}'
        threshold = leader.gripper.start_below_rad
        assert leader.gripper.joint_from_opening(0.0) < threshold
        assert leader.gripper.joint_from_opening(0.5) > threshold


def test_a_robot_without_known_leaders_is_refused():
    with pytest.raises(ConfigurationError, match="'other'.*interbotix"):
        leader_specs(replace(ALOHA, name='other'))
