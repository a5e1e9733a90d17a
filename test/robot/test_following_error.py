# SPDX-License-Identifier: Apache-2.0
"""A following error trips only when it is large and lasts."""

from __future__ import annotations

import numpy as np

from cosmos_policy_ros.robot.following_error import FollowingErrorWatch
from cosmos_policy_ros.robot.safety import SafetyLimits
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
LIMITS = SafetyLimits.from_robot(
    ALOHA, position_margin_rad=0.0, velocity_scale=1.0, max_acceleration_rad_s2=15.0)


def _errors(size_rad: float, times_ms: list[int], index: int = 9) -> list[bool]:
    watch = FollowingErrorWatch(LIMITS, max_error_rad=0.5, time_s=0.3)
    command = np.zeros(14)
    command[index] = size_rad
    return [watch.update(command, np.zeros(14), t * MS) is not None for t in times_ms]


def test_large_error_trips_after_its_time_and_goes_on():
    assert _errors(0.51, [0, 299, 300, 400]) == [False, False, True, True]
    assert _errors(-0.51, [0, 300]) == [False, True]


def test_error_at_the_limit_never_trips():
    assert _errors(0.5, [0, 300, 9000]) == [False, False, False]


def test_gripper_that_holds_an_object_never_trips():
    assert _errors(1.0, [0, 300, 9000], index=6) == [False, False, False]


def test_error_that_ended_in_between_starts_again():
    watch = FollowingErrorWatch(LIMITS, max_error_rad=0.5, time_s=0.3)
    far, near = np.full(14, 0.6), np.zeros(14)
    results = [watch.update(pose, near, t * MS)
               for t, pose in ((0, far), (200, near), (250, far), (500, far))]
    assert results == [None] * 4


def test_text_names_joint_error_duration_and_limits():
    watch = FollowingErrorWatch(LIMITS, max_error_rad=0.5, time_s=0.3)
    far, near = np.full(14, 0.6), np.zeros(14)
    watch.update(far, near, 0)
    assert watch.update(far, near, 300 * MS) == (
        'left_waist is 0.600 rad away from its command for 0.300 s (limit 0.5 rad for 0.3 s)')
