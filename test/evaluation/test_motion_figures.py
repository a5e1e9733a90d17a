# SPDX-License-Identifier: Apache-2.0
"""The figures of a motion are those of its parts, and what nothing tells is no figure."""

from __future__ import annotations

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.episode_series import (
    ArmSample, ChunkSample, EpisodeSeries, JointTrack)
from cosmos_policy_ros.evaluation.motion_figures import motion_figures, MotionFigures

TIMES_S = np.arange(0, 6, 0.02)
NAMES = ('left_waist', 'left_shoulder', 'left_gripper')


def _track(name: str, commanded: np.ndarray, behind_rad: float) -> JointTrack:
    return JointTrack(
        name=name, is_gripper=name.endswith('gripper'), measured_times_s=TIMES_S,
        measured_stamps_s=TIMES_S, measured=commanded - behind_rad, commanded_times_s=TIMES_S,
        commanded=commanded)


def _chunk(stamp_s: float, latency_s: float) -> ChunkSample:
    return ChunkSample(
        stamp_s=stamp_s, latency_s=latency_s, period_s=0.04, positions=np.zeros((50, 3)),
        value=0.0, policy='', is_trained=True, mode='', stages_s={})


def _series(
    joints: tuple[JointTrack, ...] = (), chunks: tuple[ChunkSample, ...] = (),
    states: tuple[tuple[float, str], ...] = (),
) -> EpisodeSeries:
    return EpisodeSeries(
        start_ns=0, duration_s=6.0, control_times_s=TIMES_S, joints=joints, chunks=chunks,
        arm_status=tuple(ArmSample(time_s=time_s, state=state, stop_reason='none', strategy='',
                                   counters={}) for time_s, state in states),
        simulation_status=(), refused_samples=0)


def test_nothing_tells_nothing():
    assert motion_figures(_series()) == MotionFigures(
        chunks=0, latency_s=None, idle_share=None, takeover=None, inside=None,
        disagreement_rad=None, jerk_rms=None, tracking_rms_rad=None)


def test_pauses_count_from_the_first_to_the_last_chunk():
    states = ((0.0, 'waiting'), (1.01, 'moving'), (3.0, 'waiting'), (3.51, 'moving'),
              (5.01, 'waiting'), (6.0, 'waiting'))
    figures = motion_figures(_series(chunks=(_chunk(0.0, 1.0), _chunk(3.0, 0.5),
                                             _chunk(5.0, 0.2)), states=states))
    assert figures.chunks == 3 and figures.latency_s == 0.5
    assert figures.idle_share == pytest.approx(0.51 / (1.99 + 0.51 + 1.5))


def test_the_worst_arm_joint_counts_and_grippers_do_not():
    jerky = np.cumsum(np.where(np.arange(len(TIMES_S)) % 2, 1e-3, -1e-3))
    figures = motion_figures(_series(
        (_track(NAMES[0], 0.1 * TIMES_S, 0.01), _track(NAMES[1], jerky, -0.03),
         _track(NAMES[2], 9 * jerky, 0.5)), states=((0.0, 'moving'),)))
    assert figures.tracking_rms_rad == pytest.approx(0.03)
    assert figures.jerk_rms == pytest.approx(4e-3 / 0.02**3)
    assert figures.inside[1] == pytest.approx(2e-3 / 0.02)
