# SPDX-License-Identifier: Apache-2.0
"""An arm is frozen when its command goes on and not a digit of its measurement changes."""

from __future__ import annotations

from dataclasses import replace

from arm_bench import ARMS, LIMITS, MS, moving, START
import numpy as np
import pytest

from cosmos_policy_ros.robot.frozen_joints import FrozenJointsWatch
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.run_state import RunState, StopReason
from cosmos_policy_ros.spec.aloha import ALOHA

LEFT, RIGHT = ARMS


def sample(angle_rad: float = 0.0, current_ma: float = 5.0, stamp_ns: int = 0) -> JointSample:
    """Return a measurement of one arm."""
    return JointSample(positions=np.full(7, angle_rad), velocities=np.zeros(7),
                       efforts=np.full(7, current_ma), stamp_ns=stamp_ns)


def command(angle_rad: float, joint: int = 0) -> np.ndarray:
    """Return a command that turns one joint."""
    positions = START.copy()
    positions[joint] += angle_rad
    return positions


def updates(samples: list[JointSample], joint: int = 0) -> list[str | None]:
    """Return what a watch says of the left arm while its command goes 0.03 rad at a time."""
    watch = FrozenJointsWatch(ALOHA, LIMITS)
    return [watch.update(LEFT, replace(one, stamp_ns=index), command(0.03 * index, joint))
            for index, one in enumerate(samples)]


def test_an_arm_that_reports_the_same_while_its_command_goes_on_is_frozen():
    *fine, last = updates([sample()] * 5)
    assert fine == [None] * 4
    assert LEFT in last and '0.120 rad' in last and 'limit 0.1' in last


@pytest.mark.parametrize('samples', [
    [sample(0.001 * index) for index in range(9)],
    [sample(current_ma=index) for index in range(9)],
    [JointSample(positions=np.zeros(7), stamp_ns=0)] * 9,
], ids=['moving', 'blocked', 'without currents'])
def test_an_arm_that_moves_or_only_strains_is_not_frozen(samples):
    assert updates(samples) == [None] * 9


@pytest.mark.parametrize('joint', [6, 7], ids=['own gripper', 'other arm'])
def test_only_commands_to_the_joints_of_the_arm_count(joint):
    assert updates([sample()] * 20, joint) == [None] * 20


def test_a_stream_that_pauses_is_not_frozen():
    watch = FrozenJointsWatch(ALOHA, LIMITS)
    assert [watch.update(LEFT, sample(), command(0.03 * index)) for index in range(20)] == (
        [None] * 20)
    assert watch.update(LEFT, sample(stamp_ns=1), command(0.6)) is not None


def test_an_arm_that_is_told_to_stand_still_is_never_frozen():
    watch = FrozenJointsWatch(ALOHA, LIMITS)
    assert [watch.update(LEFT, sample(stamp_ns=index), START) for index in range(50)] == (
        [None] * 50)


def test_frozen_arms_hold():
    bench = moving(1.0)
    for _ in range(40):
        bench.tick(is_measured=False)
        for index, name in enumerate(ARMS):
            bench.controller.update_joints(name, JointSample(
                positions=START[ALOHA.arm_slice(index)], velocities=np.zeros(7),
                efforts=np.zeros(7), stamp_ns=bench.now_ms * MS), bench.now_ms * MS)
    assert bench.state == (RunState.HOLDING, StopReason.JOINT_STATES_STALE)
    assert 'frozen' in bench.status.detail
