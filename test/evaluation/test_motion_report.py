# SPDX-License-Identifier: Apache-2.0
"""Every figure of a report against an episode whose figures are known."""

from collections.abc import Callable
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_episode import Shape, START_NS, SyntheticRecorder

from cosmos_policy_ros.evaluation.episode_report import EpisodeReport
from cosmos_policy_ros.evaluation.episode_series import JointTrack, load_series
from cosmos_policy_ros.evaluation.motion_report import compute_report, tracking_error
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.aloha import ALOHA

WriteEpisode = Callable[..., Path]
CAMERA = '/cam_high/camera/color/image_rect_raw'


def report_of(path: Path, topics) -> EpisodeReport:
    reader = EpisodeReader(path)
    return compute_report(reader, load_series(reader, ALOHA, topics), topics)


def stream(report: EpisodeReport, topic: str):
    [found] = [stream for stream in report.streams if stream.topic == topic]
    return found


def make_track(measured, commanded, stamps_s=None) -> JointTrack:
    times_s = np.arange(len(measured)) / 100
    return JointTrack(
        name='left_waist', is_gripper=False, measured_times_s=times_s,
        measured_stamps_s=times_s if stamps_s is None else np.array(stamps_s),
        measured=np.array(measured, float),
        commanded_times_s=np.array([time_s for time_s, _ in commanded]),
        commanded=np.array([value for _, value in commanded], float))


@pytest.fixture(scope='module')
def report(episode: Path, topics) -> EpisodeReport:
    """Report of the shared episode."""
    return report_of(episode, topics)


def test_report_says_which_episode_it_is(report: EpisodeReport, reader):
    assert (report.name, report.task, report.robot, report.mode, report.seed) == (
        'episode_000000', 'put the red cube into the cup', 'interbotix', 'direct', 7)
    assert (report.outcome, report.score) == ('success', 1.0)
    assert report.duration_s == pytest.approx(4.25)
    assert report.size_bytes == reader.size_bytes > 0


def test_streams_have_their_rates_and_gaps(report: EpisodeReport):
    joints, images = stream(report, '/follower_left/joint_states'), stream(report, CAMERA)
    assert (joints.count, joints.is_camera) == (401, False)
    assert (images.count, images.is_camera) == (101, True)
    assert not stream(report, '/policy_node/predicted/cam_high').is_camera
    assert joints.rate_hz == pytest.approx(100.0)
    assert images.largest_gap_s == pytest.approx(0.04)


def test_gap_and_silence_of_a_camera_are_found(write_episode: WriteEpisode, topics,
                                               tmp_path: Path):
    report = report_of(write_episode(tmp_path, Shape(gap_s=(1.0, 1.8))), topics)
    assert stream(report, CAMERA).largest_gap_s == pytest.approx(0.8)
    chunks = stream(report, '/policy_node/action_chunk')
    assert (chunks.silent_start_s, chunks.silent_end_s) == (pytest.approx(0.25), 0.0)
    assert stream(report, CAMERA).silent_end_s == pytest.approx(0.25)


def test_policy_figures_follow_from_the_chunks(report: EpisodeReport):
    policy = report.policy
    assert (policy.chunks, policy.policy, policy.is_trained) == (5, 'tiny', False)
    assert policy.latency.p50_s == policy.latency.max_s == pytest.approx(0.25)
    assert list(policy.stages) == ['encode', 'denoise', 'decode']
    assert policy.stages['denoise'].p50_s == pytest.approx(0.17)
    assert policy.stages['denoise'].p99_s == pytest.approx(0.1896)
    assert (policy.first_value, policy.last_value) == pytest.approx((0.2, 0.6))


def test_one_untrained_answer_makes_the_report_say_untrained(report, episode, topics):
    reader = EpisodeReader(episode)
    series = load_series(reader, ALOHA, topics)
    for trained, expected in (([True] * 5, True), ([True, True, False, True, True], False)):
        chunks = tuple(dataclasses.replace(chunk, is_trained=is_trained)
                       for chunk, is_trained in zip(series.chunks, trained))
        changed = dataclasses.replace(series, chunks=chunks)
        assert compute_report(reader, changed, topics).policy.is_trained is expected


def test_control_period_follows_from_the_commands(report: EpisodeReport):
    assert report.control_period.count == 200
    assert report.control_period.p50_s == pytest.approx(0.02)
    assert report.control_period.max_s == pytest.approx(0.02)


def test_arm_and_simulation_states_are_counted_over_the_episode(report: EpisodeReport):
    assert report.arm.counters['ticks'] == 200
    assert report.arm.counters['late_ticks'] == 4
    assert report.arm.stop_reasons == ('no_chunk',)
    assert report.arm.moving_share == pytest.approx(8 / 9)
    assert (report.arm.idle_share, report.arm.strategies) == (0.0, ())
    assert (report.is_success, report.task_stage) == (True, 'in the cup')


def test_motion_along_agreeing_chunks_has_no_seam_and_the_jerk_of_its_curve(
        report: EpisodeReport):
    assert report.seams.borders == 3
    assert report.seams.speed_step.p99 <= 1.1 * report.seams.inside_speed_step_p99
    assert report.seams.disagreement.p99 < 2e-4
    # The curve is 0.25 sin(2 t); commands are recorded as 32-bit numbers.
    assert report.joints[0].jerk_rms == pytest.approx(2.0 / 2**0.5, rel=0.1)


def test_histograms_hold_every_chunk_and_command(report: EpisodeReport):
    assert sum(report.policy.latency_histogram.counts) == 5
    assert sum(report.control_rate_histogram.counts) == 200
    assert report.control_rate_histogram.edges[-1] == pytest.approx(100.0)


def test_speed_is_that_of_the_motion(report: EpisodeReport):
    assert report.joints[0].speed_max == pytest.approx(0.5, rel=0.01)
    assert report.joints[6].speed_max == pytest.approx(0.4, rel=0.01)


@pytest.mark.parametrize('lag_s', [0.0, 0.06, 0.2])
def test_tracking_error_is_speed_times_lag(write_episode: WriteEpisode, topics, tmp_path: Path,
                                           lag_s: float):
    report = report_of(write_episode(tmp_path, Shape(command_lag_s=lag_s)), topics)
    # Between two commands, 20 ms apart, measurements at 10 ms meet a command 10 ms old.
    oldest_s = max(lag_s, abs(lag_s - 0.01))
    for joint in (report.joints[0], report.joints[12]):
        assert joint.tracking_max == pytest.approx(0.5 * max(oldest_s, 0.01), rel=0.02)
        assert 0 < joint.tracking_rms < joint.tracking_max


def test_stale_command_is_no_target():
    error = tracking_error(make_track([0.0] * 100, [(0.2, 0.5), (0.25, 0.25)]))
    assert error.tolist() == [-0.5] * 5 + [-0.25] * 11


def test_joint_that_was_never_commanded_has_no_tracking_error():
    assert not len(tracking_error(make_track([0.0] * 10, [])))


def test_order_of_arrival_does_not_change_the_speed(episode, topics):
    reader = EpisodeReader(episode)
    series = load_series(reader, ALOHA, topics)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(50), 2))
    tracks = [make_track(np.sin(0.3 * steps), [], stamps_s=steps / 100)
              for steps in (np.sort(order), order)]
    changed = dataclasses.replace(series, joints=tuple(tracks))
    in_order, shuffled = compute_report(reader, changed, topics).joints
    assert shuffled.speed_max == in_order.speed_max == pytest.approx(
        2 * np.sin(0.75) / 0.05, rel=0.01)


def test_missing_parts_are_none_not_zero(
        new_recorder: Callable[[], SyntheticRecorder], topics):
    recorder = new_recorder()
    recorder.joints(0.0)
    report = report_of(recorder.writer.finish(EpisodeLabel(), ended_ns=START_NS), topics)
    assert (report.policy, report.arm, report.control_period) == (None, None, None)
    assert (report.seams, report.control_rate_histogram) == (None, None)
    assert (report.is_success, report.task_stage) == (None, None)
    assert report.joints[0].tracking_rms is None
    assert report.joints[0].speed_max is None
    assert report.joints[0].jerk_rms is None
    assert stream(report, '/follower_left/joint_states').rate_hz is None


def test_report_is_strict_json(report: EpisodeReport):
    text = json.dumps(report.to_json(), allow_nan=False)
    assert json.loads(text)['policy']['latency']['count'] == 5
