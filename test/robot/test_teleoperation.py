# SPDX-License-Identifier: Apache-2.0
"""Teleoperation: chunks follow the leaders by a constant delay and end when a leader is silent."""

import math

import numpy as np
import pytest

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.robot.chunk_executor import ChunkExecutor
from cosmos_policy_ros.robot.motion_settings import MotionSettings
from cosmos_policy_ros.robot.teleoperation import DELAY_PERIODS, NUM_PAST, Teleoperation
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.leader import leader_specs

PERIOD = 20_000_000
MAX_AGE = 100_000_000
LEADERS = leader_specs(ALOHA)
NAMES = (*LEADERS[0].joint_names, LEADERS[0].gripper_joint)


def pose_at(now_ns):
    """Return leader joints that swing slowly, and an opening between closed and open."""
    angle = 0.4 * math.sin(2 * math.pi * 0.5 * now_ns / 1e9)
    return [angle, -0.96 + angle, 1.16, 0.0, -0.3, angle], 0.5 + angle


def update(teleoperation, now_ns, leaders=LEADERS):
    """Feed the swing of some leaders."""
    joints, opening = pose_at(now_ns)
    for leader in leaders:
        teleoperation.update(
            leader, NAMES, [*joints, leader.gripper.joint_from_opening(opening)], now_ns)


def teleoperation():
    """Return a fresh teleoperation."""
    return Teleoperation(ALOHA, LEADERS, period_ns=PERIOD, max_age_ns=MAX_AGE)


def test_followers_go_where_leaders_were_a_constant_delay_ago():
    swing, executor = teleoperation(), ChunkExecutor(ALOHA, MotionSettings(blend_s=0.001))
    worst = 0.0
    for step in range(200):
        now_ns = step * PERIOD
        update(swing, now_ns)
        chunk = swing.chunk_at(now_ns)
        if chunk is not None:
            receipt = executor.submit(chunk, now_ns + 3_000_000, ALOHA.start_pose)
            assert receipt.is_accepted, receipt.detail
        for offset_ns in range(5_000_000, PERIOD, 5_000_000):
            target = executor.target_at(now_ns + offset_ns)
            if step > 20:
                joints, opening = pose_at(now_ns + offset_ns - DELAY_PERIODS * PERIOD)
                worst = max(worst, np.abs(target - [*joints, opening] * 2).max())
    # The swing moves 0.025 rad in a period: a hundredth of it is left as error.
    assert worst < 5e-4


def test_a_chunk_holds_the_newest_pose_at_its_end_and_is_short():
    swing = teleoperation()
    for step in range(NUM_PAST):
        update(swing, step * PERIOD)
        chunk = swing.chunk_at(step * PERIOD)
    now_ns = (NUM_PAST - 1) * PERIOD
    joints, opening = pose_at(now_ns)
    assert np.allclose(chunk.positions[NUM_PAST - 1:], [*joints, opening] * 2, atol=1e-6)
    assert chunk.due_ns(NUM_PAST - 1) == now_ns + DELAY_PERIODS * PERIOD
    assert chunk.end_ns - now_ns <= MAX_AGE


def test_one_silent_leader_ends_the_chunks_and_what_was_before_is_forgotten():
    swing = teleoperation()
    for step in range(10):
        update(swing, step * PERIOD)
        assert (swing.chunk_at(step * PERIOD) is None) == (step < NUM_PAST - 1)
    silent_ns = 10 * PERIOD + MAX_AGE
    update(swing, silent_ns, LEADERS[:1])
    assert swing.chunk_at(silent_ns) is None
    assert swing.silent(silent_ns) == (LEADERS[1].name,)
    update(swing, silent_ns + PERIOD)
    assert swing.chunk_at(silent_ns + PERIOD) is None


def test_a_squeezed_gripper_is_closed_and_no_further():
    swing = teleoperation()
    for step in range(NUM_PAST):
        for leader in LEADERS:
            swing.update(leader, NAMES, [0.0] * 6 + [leader.gripper.joint_closed_rad - 0.2],
                         step * PERIOD)
        chunk = swing.chunk_at(step * PERIOD)
    assert (chunk.positions[:, list(ALOHA.gripper_indices)] == 0).all()


@pytest.mark.parametrize(('names', 'positions', 'word'), [
    (NAMES[1:], [0.0] * 6, 'lacks waist'), (NAMES, [0.0] * 5, '5 values'),
    (NAMES, [math.nan] + [0.0] * 6, 'waist is nan'), (NAMES, [-math.pi] * 7, 'failed')])
def test_what_cannot_be_a_measurement_is_refused_naming_the_leader(names, positions, word):
    swing = teleoperation()
    with pytest.raises(ObservationError, match=f'{LEADERS[0].name}.*{word}'):
        swing.update(LEADERS[0], names, positions, 0)
    assert LEADERS[0].name in swing.silent(0)
