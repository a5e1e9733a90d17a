# SPDX-License-Identifier: Apache-2.0
"""Steps are what the messages said at that time, whatever order and form they came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any
import weakref

from evaluation.synthetic_episode import (
    begin_recorder, CAMERAS, joint_angle, moving_square, NAMES, opening, START_NS,
    SyntheticRecorder)
from hypothesis import given, strategies as st
import numpy as np
import pytest
from recording.exchange.conftest import PRESET_NAMES, SHORT, steps_of
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.resample import resample, ResampleSettings
from cosmos_policy_ros.recording.step_image import encode_jpeg, StepImage
from cosmos_policy_ros.recording.step_streams import CommandStream, ImageStream, JointStream
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0

PERIOD_S = 0.04
BLACK = np.zeros((2, 2, 3), np.uint8)


def vector(time_s: float) -> np.ndarray:
    """Return the joint vector of the synthetic robot at a time."""
    return np.array([*(joint_angle(j, time_s) for j in range(6)), opening(time_s)] * 2)


def test_joints_are_those_at_the_time_of_the_step(episode: Path):
    for step in steps_of(episode, rate_hz=17.0):
        time_s = (step.time_ns - START_NS) / 1e9
        np.testing.assert_allclose(step.positions, vector(time_s), atol=2e-4)


def test_the_action_is_the_command_in_force_one_period_later(episode: Path):
    for step in steps_of(episode):
        due_s = (step.time_ns - START_NS) / 1e9 + PERIOD_S
        sent_s = min(np.floor(due_s / 0.02 + 1e-6) * 0.02, SHORT.duration_s)
        np.testing.assert_allclose(
            step.action, vector(sent_s + SHORT.command_lag_s), atol=1e-6)


def test_images_are_the_newest_that_are_not_newer_than_the_step(episode: Path):
    for step in steps_of(episode, rate_hz=40.0):
        age_ns = [step.time_ns - step.images[camera].stamp_ns for camera in CAMERAS]
        assert all(0 <= age <= 40_000_000 for age in age_ns)
        shown = step.images['cam_high']
        assert shown.pixels[0, 0, 0] == round((shown.stamp_ns - START_NS) / 1e9 * 25)


def test_times_are_counted_from_the_start(episode: Path):
    times_ns = [step.time_ns for step in steps_of(episode, rate_hz=30.0)]
    assert times_ns == [times_ns[0] + index * 10**9 // 30 for index in range(len(times_ns))]


def test_iterating_again_reads_the_same_again(episode: Path):
    steps = steps_of(episode)
    first, second = ([step.positions for step in steps] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_images_that_were_passed_are_forgotten(
        write_episode: Callable[..., Path], tmp_path: Path):
    seen: weakref.WeakSet[StepImage] = weakref.WeakSet()
    most = 0
    for step in steps_of(write_episode(tmp_path, replace(SHORT, duration_s=3.0))):
        seen.update(step.images.values())
        most = max(most, len(seen))
    gc.collect()
    assert 0 < most <= 4 * len(CAMERAS)


@pytest.fixture
def recorder(
        tmp_path: Path, robot_types: Typestore, robot_messages: None) -> SyntheticRecorder:
    """Begin an empty episode."""
    return begin_recorder(tmp_path, 'nothing', robot_types)


def record(recorder: SyntheticRecorder, *, seconds: float = 1.0, **parts: Any) -> Path:
    """Record a robot, with `joints`, `commands` or `images` replaced or left out."""
    joints = parts.get('joints', recorder.joints)
    commands = parts.get('commands', lambda time_s: recorder.commands(time_s, 0.0))
    images = parts.get('images', lambda time_s: record_images(recorder, time_s))
    for tick in range(round(seconds * 100) + 1):
        joints(tick / 100)
        if tick % 2 == 0:
            commands(tick / 100)
        if tick % 4 == 0:
            images(tick / 100)
    return recorder.writer.finish(EpisodeLabel(), ended_ns=START_NS + round(seconds * 1e9))


def record_images(
        recorder: SyntheticRecorder, time_s: float, *, received_s: float | None = None) -> None:
    """Record one raw image per camera."""
    for camera in CAMERAS:
        recorder.image(NAMES[f'{camera}/image'], time_s,
                       time_s if received_s is None else received_s,
                       moving_square((64, 48), time_s))


def test_right_first_robots_give_left_first_vectors(episode: Path):
    left = steps_of(episode)
    right = resample(EpisodeReader(episode), ALOHA_2_0, PRESET_NAMES, ResampleSettings())
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.action, other.action)


def test_late_images_are_placed_by_their_stamps(recorder: SyntheticRecorder):
    path = record(recorder, images=lambda time_s: record_images(
        recorder, time_s, received_s=time_s + 0.15))
    for step in steps_of(path):
        assert 0 <= step.time_ns - step.images['cam_high'].stamp_ns < 40_000_000


def test_compressed_images_are_taken_as_they_are(recorder: SyntheticRecorder):
    def images(time_s: float) -> None:
        for camera in CAMERAS:
            data = np.frombuffer(encode_jpeg(moving_square((64, 48), time_s)), np.uint8)
            recorder.write(
                NAMES[f'{camera}/image'] + '/compressed', time_s, 'sensor_msgs/CompressedImage',
                header=recorder.header(time_s), format='rgb8; jpeg compressed bgr8', data=data)
    for step in steps_of(record(recorder, images=images)):
        shown = step.images['cam_left_wrist']
        want = moving_square((64, 48), (shown.stamp_ns - START_NS) / 1e9)
        assert shown.jpeg == encode_jpeg(want)
        assert np.abs(shown.pixels.astype(int) - want).mean() < 3.0


def test_a_missing_camera_is_named(episode: Path):
    with pytest.raises(RecordingError, match=r"episode_000000.*'cam_low'.*/cam_low/"):
        steps_of(episode, cameras=('cam_high', 'cam_low'))


def test_missing_commands_are_named(recorder: SyntheticRecorder):
    path = record(recorder, commands=lambda time_s: None)
    with pytest.raises(RecordingError, match='/follower_left/commands/joint_group'):
        steps_of(path)


def test_a_gap_in_the_images_is_refused_with_its_length(
        write_episode: Callable[..., Path], tmp_path: Path):
    path = write_episode(tmp_path, replace(SHORT, duration_s=3.0, gap_s=(1.0, 2.0)))
    with pytest.raises(RecordingError, match=r'image_rect_raw has nothing from .* allowed is 0.5'):
        list(steps_of(path))
    assert len(list(steps_of(path, max_gap_s=1.5))) == 76


def test_a_camera_that_dies_is_refused(recorder: SyntheticRecorder):
    path = record(recorder, seconds=4.0, images=lambda time_s: record_images(recorder, time_s)
                  if time_s < 0.5 else None)
    with pytest.raises(RecordingError, match='/cam_high/.*has nothing'):
        list(steps_of(path))


def test_a_camera_that_wakes_long_after_the_commands_is_refused(recorder: SyntheticRecorder):
    path = record(recorder, seconds=3.0, images=lambda time_s: record_images(recorder, time_s)
                  if time_s > 2.5 else None)
    with pytest.raises(RecordingError, match=r'/cam_.* begins 2\.\d+ s after the commands'):
        list(steps_of(path))


def test_stamps_of_another_clock_are_refused(recorder: SyntheticRecorder):
    path = record(recorder, images=lambda time_s: record_images(
        recorder, time_s - 1000.0, received_s=time_s))
    with pytest.raises(RecordingError, match='different clocks'):
        list(steps_of(path))


@pytest.mark.parametrize('settings', [
    {'rate_hz': 0.0}, {'rate_hz': -25.0}, {'rate_hz': float('nan')}, {'max_gap_s': 0.0},
    {'max_late_start_s': float('inf')}])
def test_settings_that_are_not_positive_are_refused(settings: dict[str, float]):
    with pytest.raises(RecordingError, match=next(iter(settings))):
        ResampleSettings(**settings)


def header(time_ns: int) -> SimpleNamespace:
    """Header of a decoded message."""
    return SimpleNamespace(stamp=SimpleNamespace(sec=time_ns // 10**9, nanosec=time_ns % 10**9))


def joint_state(time_ns: int, *, order: list[int], level: float = 0.0) -> SimpleNamespace:
    """Decoded joint state whose joints stand in an order of one's own."""
    names = [*ALOHA.arms[0].joint_names, 'gripper', 'left_finger', 'right_finger']
    values = [level, -0.5, 0.5, 0.1, 0.2, 0.3, 1.0, 0.05, -0.05]
    return SimpleNamespace(header=header(time_ns), name=[names[i] for i in order],
                           position=[values[i] for i in order], velocity=[], effort=[])


@given(order=st.permutations(range(9)))
def test_joints_are_found_by_name_in_any_order(order: list[int]):
    stream = JointStream('/joints', ALOHA.arms[0], max_gap_ns=10**9)
    stream.add(100, joint_state(100, order=order))
    np.testing.assert_allclose(stream.at(100).positions[:6], [0.0, -0.5, 0.5, 0.1, 0.2, 0.3])


@given(gaps=st.lists(st.integers(1, 50), min_size=2, max_size=30), share=st.floats(0.0, 1.0))
def test_joints_between_two_measurements_lie_on_their_line(gaps: list[int], share: float):
    stream = JointStream('/joints', ALOHA.arms[0], max_gap_ns=10**9)
    times = np.cumsum(gaps) * 1_000_000
    for time_ns in times:
        stream.add(int(time_ns), joint_state(int(time_ns), order=list(range(9)),
                                             level=time_ns / 1e9))
    time_ns = int(times[0] + share * (times[-1] - times[0]))
    assert stream.at(time_ns).positions[0] == pytest.approx(time_ns / 1e9, abs=1e-12)


def test_failed_reads_are_left_out_and_counted():
    stream = JointStream('/joints', ALOHA.arms[0], max_gap_ns=30)
    failed = joint_state(20, order=list(range(9)))
    failed.position[:6] = [-np.pi] * 6
    for message in (joint_state(0, order=list(range(9))), failed,
                    joint_state(40, order=list(range(9)), level=0.4)):
        stream.add(stream_time(message), message)
    assert stream.num_refused == 1
    with pytest.raises(RecordingError, match='has nothing from 0 to 40'):
        stream.at(20)


def stream_time(message: SimpleNamespace) -> int:
    """Stamp of a message in [ns]."""
    return message.header.stamp.nanosec


def test_going_back_in_time_is_refused():
    stream = ImageStream('/images', 'sensor_msgs/msg/Image', max_gap_ns=10)
    image = {'height': 2, 'width': 2, 'step': 6, 'encoding': 'rgb8', 'data': bytes(12)}
    stream.add(50, SimpleNamespace(header=header(50), **image))
    with pytest.raises(RecordingError, match='/images.*back in time'):
        stream.add(60, SimpleNamespace(header=header(40), **image))


@pytest.mark.parametrize('name, values', [
    ('all', [0.0] * 6), ('arm', [0.0] * 7), ('arm', [0.0] * 5 + [float('nan')])])
def test_a_command_that_is_not_for_the_six_joints_is_refused(name: str, values: list[float]):
    stream = CommandStream('/commands', ALOHA.arms[0], is_gripper=False)
    with pytest.raises(RecordingError, match='/commands is .*6 finite values'):
        stream.add(0, SimpleNamespace(name=name, cmd=values))


def test_jpegs_written_by_swapping_readers_come_out_straight():
    pixels = np.full((16, 16, 3), (200, 30, 60), np.uint8)
    for is_swapped in (False, True):
        image = StepImage(0, encoded=encode_jpeg(pixels, is_swapped=is_swapped),
                          is_swapped=is_swapped)
        np.testing.assert_allclose(image.pixels, pixels, atol=4)
        np.testing.assert_allclose(StepImage(0, encoded=image.jpeg).pixels, pixels, atol=6)


@pytest.mark.parametrize('arguments', [
    {'encoded': b''}, {'encoded': b'GIF89a'}, {'pixels': BLACK[..., 0]},
    {'pixels': BLACK.astype(float)}])
def test_what_is_no_image_is_refused(arguments: dict[str, Any]):
    with pytest.raises(RecordingError, match='image'):
        StepImage(0, **arguments)


def test_cut_off_jpegs_are_refused_when_decoded():
    with pytest.raises(RecordingError, match='cannot be decoded'):
        StepImage(0, encoded=encode_jpeg(BLACK)[:20]).pixels
