# SPDX-License-Identifier: Apache-2.0
"""Joints, chunks and states come out of an episode as they went in."""

from collections.abc import Callable
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic_episode import joint_angle, opening, START_NS, SyntheticRecorder

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.episode_series import arm_sample, load_series
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.spec.aloha import ALOHA, ARM_JOINTS

LEFT = '/follower_left/joint_states'
GROUP = 'interbotix_xs_msgs/JointGroupCommand'
SINGLE = 'interbotix_xs_msgs/JointSingleCommand'


def read(recorder: SyntheticRecorder, topics):
    path = recorder.writer.finish(EpisodeLabel(), ended_ns=START_NS)
    return load_series(EpisodeReader(path), ALOHA, topics)


def write_joints(recorder: SyntheticRecorder, time_s: float, joints: dict[str, float]) -> None:
    recorder.write(LEFT, time_s, 'sensor_msgs/JointState', header=recorder.header(time_s),
                   name=list(joints), position=np.array(list(joints.values())))


def test_measured_and_commanded_joints_are_those_of_the_vector(reader, topics):
    series = load_series(reader, ALOHA, topics)
    assert tuple(track.name for track in series.joints) == ALOHA.joint_names
    for index, track in enumerate(series.joints):
        joint = index % 7
        curve = opening if joint == 6 else lambda time_s, joint=joint: joint_angle(joint, time_s)
        assert track.is_gripper == (joint == 6)
        np.testing.assert_allclose(track.measured_times_s, np.arange(401) / 100, atol=1e-9)
        np.testing.assert_allclose(track.measured_stamps_s, np.arange(401) / 100, atol=1e-9)
        for times_s, values in ((track.measured_times_s, track.measured),
                                (track.commanded_times_s, track.commanded)):
            np.testing.assert_allclose(values, [curve(t) for t in times_s], atol=1e-6)


def test_chunks_keep_stamp_latency_targets_and_stages(reader, topics):
    first, *_, last = load_series(reader, ALOHA, topics).chunks
    assert (first.stamp_s, last.stamp_s) == (pytest.approx(0.0), pytest.approx(4.0))
    assert first.latency_s == pytest.approx(0.25)
    assert first.positions.shape == (50, 14)
    assert first.positions[9, 3] == pytest.approx(joint_angle(3, 0.4))
    assert first.stages_s == pytest.approx({'encode': 0.05, 'denoise': 0.15, 'decode': 0.02})
    assert (first.policy, first.is_trained, first.mode) == ('tiny', False, 'direct')


class _Status:
    """A status message, of the present definition or an earlier one."""

    state, stop_reason, ticks, late_ticks = 'moving', 'none', 9, 1
    chunks_accepted = chunks_rejected = late_actions_skipped = 0
    position_clamps = velocity_clamps = 0


class _LaterStatus(_Status):
    strategy, acceleration_clamps, gripper_clamps = 'blocking', 3, 2


def test_what_earlier_definitions_did_not_count_is_left_out():
    earlier, later = arm_sample(1.0, _Status()), arm_sample(1.0, _LaterStatus())
    assert (earlier.strategy, later.strategy) == ('', 'blocking')
    assert 'acceleration_clamps' not in earlier.counters
    assert (later.counters['acceleration_clamps'], later.counters['gripper_clamps']) == (3, 2)


def test_duration_spans_all_topics(reader, topics):
    series = load_series(reader, ALOHA, topics)
    assert (series.start_ns, series.duration_s) == (START_NS, pytest.approx(4.25))


def test_joints_are_found_by_name_in_any_order(new_recorder: Callable[[], SyntheticRecorder],
                                               topics):
    recorder = new_recorder()
    angles = {name: 0.1 * index for index, name in enumerate(ARM_JOINTS)}
    write_joints(recorder, 0.0, dict(reversed({
        **angles, 'left_finger': ALOHA.arms[0].gripper.finger_open_m}.items())))
    series = read(recorder, topics)
    assert [track.measured.tolist() for track in series.joints[:7]] == [
        pytest.approx([value]) for value in (*angles.values(), 1.0)]
    assert not len(series.joints[7].measured)


def test_what_cannot_be_true_is_left_out_and_counted(new_recorder, topics):
    recorder = new_recorder()
    failed_read = {**dict.fromkeys(ARM_JOINTS, -math.pi), 'left_finger': 0.05}
    write_joints(recorder, 0.0, failed_read)
    write_joints(recorder, 0.1, {**failed_read, 'waist': math.nan})
    write_joints(recorder, 0.2, {'waist': 0.0})
    for cmd in ([0.0] * 5, [0.0] * 5 + [math.nan]):
        recorder.write('/follower_left/commands/joint_group', 0.3, GROUP, name='arm',
                       cmd=np.array(cmd, np.float32))
    recorder.write('/follower_left/commands/joint_single', 0.3, SINGLE, name='waist', cmd=1.0)
    recorder.write('/follower_left/commands/joint_single', 0.4, SINGLE, name='gripper',
                   cmd=math.inf)
    recorder.write('/policy_node/action_chunk', 0.5, 'cosmos_policy_ros/ActionChunk',
                   chunk_size=3, joint_names=['a', 'b'], positions=np.zeros(5))
    series = read(recorder, topics)
    assert series.refused_samples == 8
    assert not series.chunks
    assert not any(len(track.measured) + len(track.commanded) for track in series.joints)


def test_episode_without_any_topic_is_empty(new_recorder, topics):
    series = read(new_recorder(), topics)
    assert (series.duration_s, len(series.joints)) == (0.0, 14)
    assert not (series.chunks or series.arm_status or series.simulation_status)


def test_message_of_another_definition_is_told(
        new_recorder, typestore, topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / 'old/share/cosmos_policy_ros/msg'
    folder.mkdir(parents=True)
    (folder / 'ArmStatus.msg').write_text('string data\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'old'))
    recorder = new_recorder()
    recorder.writer.add_topic(Topic(
        name='/arm_node/status', type_name='cosmos_policy_ros/msg/ArmStatus'))
    text = typestore.types['std_msgs/msg/String'](data='text')
    recorder.writer.write(
        '/arm_node/status', bytes(typestore.serialize_cdr(text, 'std_msgs/msg/String')),
        log_time_ns=START_NS, publish_time_ns=START_NS)
    with pytest.raises(RecordingError, match="another definition.*'state'"):
        read(recorder, topics)
