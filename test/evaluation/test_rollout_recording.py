# SPDX-License-Identifier: Apache-2.0
"""A recorded rollout is the rollout, labelled, in an episode like any other."""

from dataclasses import replace
from pathlib import Path

import pytest
from virtual_runs import expert_loop, rollout, TOPICS

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.rollout_recording import (
    compressed_topics, film_rollout, record_rollout, rollout_label)
from cosmos_policy_ros.recording.decode import decoded_messages, stamp_ns
from cosmos_policy_ros.recording.episode import Outcome
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.aloha import ALOHA

SEED = 5000


@pytest.fixture(scope='module')
def loop():
    loop = expert_loop(timeout_s=1.2)
    yield loop
    loop.close()


@pytest.fixture(scope='module')
def recorded(loop, tmp_path_factory):
    return record_rollout(loop, SEED, tmp_path_factory.mktemp('rollouts'), ALOHA, TOPICS,
                          software_version='0')


@pytest.fixture(scope='module')
def reader(recorded):
    return EpisodeReader(Path(recorded.episode))


def test_recording_changes_nothing(loop, recorded):
    plain = loop.run(SEED)
    assert replace(plain, episode=recorded.episode, times=recorded.times) == recorded


def test_the_episode_says_what_it_is(recorded, reader):
    metadata = reader.metadata
    assert (metadata.task, metadata.seed, metadata.mode) == ('lift the cube', SEED, 'scripted')
    assert metadata.label.outcome is Outcome.FAILURE and metadata.label.score == recorded.score


def test_everything_is_recorded_at_its_rate(reader):
    rates = {name: topic.rate_hz for name, topic in reader.topics.items()}
    assert rates['/follower_left/joint_states'] == pytest.approx(100)
    assert rates['/follower_right/commands/joint_group'] == pytest.approx(50)
    camera = '/cam_high/camera/color/image_rect_raw/compressed'
    assert rates[camera] == pytest.approx(25)
    stamps = [stamp_ns(message.message) for message in decoded_messages(reader, [camera])]
    assert {second - first for first, second in zip(stamps, stamps[1:])} == {40_000_000}


def test_a_recording_can_keep_fewer_images_than_the_policy_gets(recorded, tmp_path):
    loop = expert_loop(timeout_s=1.2, recorded_image_rate_hz=5.0)
    try:
        sparse = record_rollout(loop, SEED, tmp_path, ALOHA, TOPICS, software_version='0')
    finally:
        loop.close()
    assert replace(sparse, episode=recorded.episode, times=recorded.times) == recorded
    topics = EpisodeReader(Path(sparse.episode)).topics
    assert topics['/cam_high/camera/color/image_rect_raw/compressed'].rate_hz == pytest.approx(5)
    assert topics['/follower_left/joint_states'].rate_hz == pytest.approx(100)


def test_chunks_are_recorded_on_arrival(recorded, reader):
    chunks = [message for message in decoded_messages(reader, [TOPICS.chunks])]
    assert 1 <= len(chunks) <= recorded.num_queries
    first = chunks[0].message
    assert len(first.positions) == first.chunk_size * 14
    assert chunks[0].log_time_ns - stamp_ns(first) == pytest.approx(150e6)
    assert first.value == recorded.values[0]


def test_an_episode_is_never_overwritten(loop, recorded, reader):
    with pytest.raises(RecordingError, match='exists'):
        record_rollout(loop, SEED, reader.path.parent, ALOHA, TOPICS, software_version='0')


def test_a_rollout_is_filmed(loop, recorded, tmp_path):
    path = tmp_path / 'videos' / 'seed.mp4'
    film_rollout(loop, recorded, path, ALOHA, TOPICS, software_version='0')
    assert path.stat().st_size > 10_000


def test_labels_tell_how_far_it_came():
    failed = rollout_label(rollout(1, False, score=0.4, stage='right gripper lifts'))
    assert (failed.outcome, failed.score) == (Outcome.FAILURE, 0.4)
    assert 'right gripper lifts' in failed.note
    assert 'start_gap' in rollout_label(rollout(1, False, stop_reason='start_gap: far')).note
    assert rollout_label(rollout(1, True)).outcome is Outcome.SUCCESS


def test_compressed_topics_follow_image_transport():
    assert compressed_topics(TOPICS).cameras['cam_high'].endswith('/image_rect_raw/compressed')
