# SPDX-License-Identifier: Apache-2.0
"""The start gesture: both grippers, long enough, once per closing."""

import math

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.gesture import GripperGesture, HYSTERESIS_RAD, MAX_AGE_NS

MS = 10**6
OPEN, CLOSED = 0.8, -0.05


def watch():
    """Return a gesture of two arms that takes 0.2 s."""
    return GripperGesture({'left': 0.0, 'right': 0.0}, hold_s=0.2)


def play(gesture, poses, start_ns=0, step_ns=10 * MS):
    """Feed (left, right) angles; return the indices of the steps that completed a gesture."""
    complete = []
    for index, pair in enumerate(poses):
        now_ns = start_ns + index * step_ns
        if any([gesture.update(arm, angle, now_ns)
                for arm, angle in zip(('left', 'right'), pair)]):
            complete.append(index)
    return complete


def test_both_grippers_closed_long_enough_are_one_cue():
    assert play(watch(), [(OPEN, OPEN)] * 3 + [(CLOSED, CLOSED)] * 100) == [23]


def test_opening_and_closing_again_is_another_cue():
    closing = [(OPEN, OPEN)] * 2 + [(CLOSED, CLOSED)] * 30
    assert len(play(watch(), closing * 3)) == 3


@pytest.mark.parametrize('poses', [
    [(OPEN, OPEN)] + [(CLOSED, OPEN)] * 100,
    [(OPEN, OPEN)] + [(CLOSED, CLOSED)] * 15 + [(OPEN, OPEN)] * 50,
    [(CLOSED, CLOSED)] * 100,
    [(OPEN, OPEN)] + [(math.nan, CLOSED)] * 100,
    [(OPEN, OPEN)] + [(CLOSED, CLOSED), (OPEN, CLOSED)] * 50,
], ids=['one only', 'too short', 'closed from the start', 'no number', 'trembling wide'])
def test_anything_else_is_no_cue(poses):
    assert play(watch(), poses) == []


def test_a_gripper_that_trembles_at_the_threshold_gives_one_cue():
    trembling = [(HYSTERESIS_RAD * (-1) ** i / 2, CLOSED) for i in range(200)]
    assert len(play(watch(), [(OPEN, OPEN)] + [(CLOSED, CLOSED)] + trembling)) == 1


def test_an_arm_that_has_fallen_silent_does_not_count_as_closed():
    gesture = watch()
    play(gesture, [(OPEN, OPEN), (CLOSED, CLOSED)])
    later_ns = MAX_AGE_NS + 100 * MS
    assert not any(gesture.update('left', CLOSED, later_ns + i * 10 * MS) for i in range(100))


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=150))
def test_every_cue_is_preceded_by_both_closed_for_the_whole_time(poses):
    for index in play(watch(), poses):
        held = poses[index - 20:index + 1]
        assert index >= 20 and all(max(pair) < HYSTERESIS_RAD for pair in held)


@pytest.mark.parametrize(('below', 'hold_s'), [
    ({}, 0.2), ({'left': math.nan}, 0.2), ({'left': 0.0}, -1.0), ({'left': 0.0}, math.nan)])
def test_a_gesture_that_cannot_be_seen_is_refused(below, hold_s):
    with pytest.raises(RecordingError):
        GripperGesture(below, hold_s=hold_s)
