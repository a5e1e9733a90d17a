# SPDX-License-Identifier: Apache-2.0
"""Pauses, seams and jerk of motions whose figures are known."""

import dataclasses

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.episode_series import (
    ArmSample, ChunkSample, EpisodeSeries, JointTrack)
from cosmos_policy_ros.evaluation.motion_quality import (
    border_times, command_steps, histogram, idle_share, is_moving, jerk_rms, report_seams)
from cosmos_policy_ros.spec.aloha import ALOHA

TIMES_S = np.arange(0, 4, 0.02)


def sample(time_s: float, state: str) -> ArmSample:
    return ArmSample(time_s=time_s, state=state, stop_reason='none', strategy='', counters={})


def track(name: str, commanded: np.ndarray, times_s: np.ndarray = TIMES_S) -> JointTrack:
    return JointTrack(
        name=name, is_gripper=name.endswith('gripper'), measured_times_s=np.empty(0),
        measured_stamps_s=np.empty(0), measured=np.empty(0), commanded_times_s=times_s,
        commanded=np.asarray(commanded, float))


def chunk(stamp_s: float, offset: float = 0.0, latency_s: float = 0.3) -> ChunkSample:
    times_s = stamp_s + 0.04 * np.arange(1, 51)
    return ChunkSample(
        stamp_s=stamp_s, latency_s=latency_s, period_s=0.04,
        positions=np.tile((0.5 * times_s + offset)[:, None], (1, 14)), value=0.0, policy='',
        is_trained=False, mode='', stages_s={})


def series(commanded: np.ndarray, chunks=(), states=((0.0, 'moving'), (4.0, 'moving'))):
    return EpisodeSeries(
        start_ns=0, duration_s=4.0, control_times_s=TIMES_S, chunks=tuple(chunks),
        joints=tuple(track(name, commanded) for name in ALOHA.joint_names),
        arm_status=tuple(sample(*state) for state in states), simulation_status=(),
        refused_samples=0)


def test_idle_share_is_the_waiting_part_of_the_started_time():
    states = [(0, 'inactive'), (5, 'waiting'), (6, 'moving'), (8, 'waiting'), (9, 'holding'),
              (20, 'positioning'), (30, 'moving'), (31, 'holding')]
    assert idle_share([sample(*state) for state in states]) == pytest.approx(2 / 5)


@pytest.mark.parametrize('states', [
    [], [(0, 'moving')], [(0, 'inactive'), (9, 'holding'), (20, 'positioning'), (30, 'holding')]])
def test_arms_that_were_never_started_have_no_idle_share(states):
    assert idle_share([sample(*state) for state in states]) is None


def test_a_state_lasts_until_the_next():
    samples = [sample(1, 'waiting'), sample(2, 'moving'), sample(3, 'holding')]
    assert is_moving(np.array([0.5, 1.5, 2.0, 2.9, 3.0]), samples).tolist() == [
        False, False, True, True, False]
    assert is_moving(np.array([0.5]), []).tolist() == [True]


def test_smooth_takeover_has_no_seam():
    seams = report_seams(series(0.5 * TIMES_S, [chunk(0.0), chunk(1.0), chunk(2.0)]))
    assert seams.borders == 2
    assert seams.position_step.p99 == pytest.approx(0.01)
    assert seams.inside_position_step_p99 == pytest.approx(0.01)
    assert seams.speed_step.p99 == pytest.approx(0.0, abs=1e-9)
    assert seams.disagreement.p99 == pytest.approx(0.0, abs=1e-12)


def test_jump_at_a_border_is_a_seam_and_elsewhere_is_not():
    jump = 0.04 * (TIMES_S >= 1.3)
    chunks = [chunk(0.0), chunk(1.0, 0.04)]
    at_border = report_seams(series(0.5 * TIMES_S + jump, chunks))
    assert at_border.position_step.p50 == pytest.approx(0.05)
    assert at_border.speed_step.p50 == pytest.approx(2.0)
    assert at_border.inside_speed_step_p99 == pytest.approx(0.0, abs=1e-9)
    assert at_border.disagreement.p50 == pytest.approx(0.04)
    elsewhere = report_seams(series(0.5 * TIMES_S + 0.04 * (TIMES_S >= 2.5), chunks))
    assert elsewhere.speed_step.p99 == pytest.approx(0.0, abs=1e-9)


def test_grippers_make_no_seam():
    episode = series(0.5 * TIMES_S, [chunk(0.0), chunk(1.0)])
    jumpy = tuple(
        dataclasses.replace(joint, commanded=1.0 * (TIMES_S >= 1.3)) if joint.is_gripper else joint
        for joint in episode.joints)
    assert report_seams(dataclasses.replace(episode, joints=jumpy)) == report_seams(episode)


def test_chunk_that_met_arms_at_rest_is_no_border():
    states = ((0.0, 'moving'), (1.2, 'waiting'), (2.0, 'moving'), (4.0, 'moving'))
    episode = series(0.5 * TIMES_S, [chunk(0.0), chunk(1.0), chunk(2.0)], states)
    assert border_times(episode).tolist() == [2.3]
    assert report_seams(series(0.5 * TIMES_S, [chunk(0.0)])) is None
    assert report_seams(series(0.5 * TIMES_S)) is None


def test_chunks_that_do_not_overlap_have_no_disagreement():
    seams = report_seams(series(0.5 * TIMES_S, [chunk(0.0), chunk(2.5)]))
    assert seams.borders == 1
    assert seams.disagreement is None


def test_pause_between_commands_is_no_step():
    times_s = np.concatenate([TIMES_S[:50], TIMES_S[50:] + 3.0])
    commands = np.concatenate([np.zeros(50), np.ones(len(TIMES_S) - 50)])
    episode = dataclasses.replace(series(commands), joints=tuple(
        track(name, commands, times_s) for name in ALOHA.joint_names))
    for steps in command_steps(episode):
        assert steps.position_steps.max() == steps.speed_steps.max() == 0.0
    assert jerk_rms(episode.joints[0], ()) == 0.0


def test_each_arm_has_its_steps_and_may_have_none():
    episode = series(0.5 * TIMES_S)
    silent = tuple(track(joint.name, np.empty(0), np.empty(0))
                   if joint.name.startswith('right') else joint for joint in episode.joints)
    left, right = command_steps(dataclasses.replace(episode, joints=silent))
    assert len(left.times_s) == len(TIMES_S) - 2
    assert not len(right.times_s)


@pytest.mark.parametrize('commanded, expected', [
    (0.3 * TIMES_S**3, 1.8), (5 * TIMES_S**2, 0.0),
    (np.sin(2 * TIMES_S), 8 / np.sqrt(2))])
def test_jerk_is_the_third_derivative(commanded, expected):
    assert jerk_rms(track('left_waist', commanded), ()) == pytest.approx(
        expected, rel=0.05, abs=1e-4)


def test_jerk_counts_only_while_moving_and_log_jitter_does_not_count():
    states = [sample(0.0, 'waiting'), sample(2.0, 'moving')]
    shaky = np.where(TIMES_S < 1.9, np.sin(50 * TIMES_S), 0.0)
    rng = np.random.default_rng(0)
    jittered_s = TIMES_S + rng.uniform(0, 0.008, len(TIMES_S))
    assert jerk_rms(track('left_waist', shaky, jittered_s), states) == 0.0
    assert jerk_rms(track('left_waist', shaky, jittered_s), ()) > 1000
    assert jerk_rms(track('left_waist', [0.0] * 3, TIMES_S[:3]), ()) is None


def test_no_value_is_lost_from_a_histogram():
    values = [0.02] * 50 + [0.5, 0.03, 0.001]
    counted = histogram(values)
    assert sum(counted.counts) == len(values)
    assert (counted.edges[0], counted.edges[-1]) == (0.0, pytest.approx(0.04))
    assert counted.counts[-1] == 1
    assert sum(histogram([0.0, 0.0]).counts) == 2
