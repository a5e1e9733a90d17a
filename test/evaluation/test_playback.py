# SPDX-License-Identifier: Apache-2.0
"""At each moment the newest image of that moment, and what had been imagined for it."""

from collections.abc import Callable
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic_episode import CAMERAS, moving_square, NAMES, START_NS, SyntheticRecorder

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.playback import Playback
from cosmos_policy_ros.recording.decode import stamp_ns
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader

HIGH = NAMES['cam_high/image']
PREDICTED = '/policy_node/predicted/cam_high'
NewRecorder = Callable[[], SyntheticRecorder]


def seconds(time_ns: int) -> float:
    return (time_ns - START_NS) / 1e9


def grey(level: int) -> np.ndarray:
    return np.full((4, 4, 3), level, np.uint8)


def play(recorder: SyntheticRecorder, topics, frame_rate_hz: int = 10) -> Playback:
    path: Path = recorder.writer.finish(EpisodeLabel(), ended_ns=START_NS)
    return Playback(EpisodeReader(path), topics, frame_rate_hz=frame_rate_hz)


def test_moments_are_evenly_spaced_from_first_to_last_image(reader, topics):
    playback = Playback(reader, topics, frame_rate_hz=15)
    times_s = [seconds(moment.time_ns) for moment in playback]
    assert len(times_s) == len(playback) == 61
    np.testing.assert_allclose(times_s, np.arange(61) / 15, atol=1e-6)
    assert playback.cameras == CAMERAS


def test_live_picture_is_the_newest_of_its_time(reader, topics):
    for moment in Playback(reader, topics, frame_rate_hz=15):
        for picture in moment.live.values():
            age_s = seconds(moment.time_ns) - seconds(picture.stamp_ns)
            assert 0.0 <= age_s < 0.04 + 1e-6
            np.testing.assert_array_equal(
                picture.pixels, moving_square((64, 48), seconds(picture.stamp_ns)))


def test_imagined_picture_is_the_newest_for_that_time_and_none_before(reader, topics):
    for moment in Playback(reader, topics, frame_rate_hz=15):
        time_s = seconds(moment.time_ns)
        for picture in moment.imagined.values():
            if time_s < 2.0:
                assert picture is None
            else:
                query = int(time_s - 2.0 + 1e-6)
                assert seconds(picture.stamp_ns) == pytest.approx(2.0 + query)
                assert picture.pixels[0, 0].tolist() == [0, 0, 40 * query]


def test_chunk_is_the_newest_that_had_been_received(reader, topics):
    for moment in Playback(reader, topics, frame_rate_hz=15):
        time_s = seconds(moment.time_ns)
        if time_s < 0.25:
            assert moment.chunk is None
        else:
            assert seconds(stamp_ns(moment.chunk)) == int(time_s - 0.25 + 1e-6)


def test_images_count_by_their_stamp_although_they_arrive_late_and_unevenly(
        new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    for index in range(11):
        stamp_s = index / 10
        recorder.image(HIGH, stamp_s, stamp_s + (0.05 if index % 2 else 0.12), grey(index))
    shown = [moment.live['cam_high'] for moment in play(recorder, topics)]
    # The first moment is the first reception, 0.12 s after the first stamp.
    assert [int(picture.pixels[0, 0, 0]) for picture in shown] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                   10]


def test_frozen_camera_does_not_stop_the_others(new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    for index in range(21):
        time_s = index / 10
        recorder.image(HIGH, time_s, time_s, grey(index))
        if index < 5:
            recorder.image(NAMES['cam_low/image'], time_s, time_s, grey(index))
    *_, last = play(recorder, topics)
    assert int(last.live['cam_high'].pixels[0, 0, 0]) == 20
    assert int(last.live['cam_low'].pixels[0, 0, 0]) == 4


def test_camera_that_the_policy_does_not_imagine_has_no_entry(new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    recorder.image(HIGH, 0.0, 0.0, grey(1))
    recorder.image(NAMES['cam_low/image'], 0.0, 0.0, grey(1))
    recorder.image(PREDICTED, 2.0, 0.0, grey(2))
    [moment] = play(recorder, topics)
    assert moment.imagined == {'cam_high': None}


def test_unchanged_pictures_are_the_same_objects(reader, topics):
    moments = list(Playback(reader, topics, frame_rate_hz=100))
    same = [first.live['cam_high'] is second.live['cam_high']
            for first, second in itertools.pairwise(moments)]
    assert same.count(False) == 100


def test_compressed_images_are_played_in_their_colours(new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    _, png = cv2.imencode('.png', np.full((4, 4, 3), (10, 20, 200), np.uint8))
    recorder.write(HIGH, 0.0, 'sensor_msgs/CompressedImage', header=recorder.header(0.0),
                   format='png', data=png)
    [moment] = play(recorder, topics)
    assert moment.live['cam_high'].pixels[0, 0].tolist() == [200, 20, 10]


def test_compressed_image_that_is_none_is_told(new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    recorder.write(HIGH, 0.0, 'sensor_msgs/CompressedImage', header=recorder.header(0.0),
                   format='jpeg', data=np.arange(9, dtype=np.uint8))
    with pytest.raises(RecordingError, match='9 bytes.*jpeg'):
        list(play(recorder, topics))


def test_episode_without_camera_is_refused_with_the_topics_looked_for(
        new_recorder: NewRecorder, topics):
    recorder = new_recorder()
    recorder.joints(0.0)
    with pytest.raises(RecordingError, match=f'no camera images.*{HIGH}'):
        play(recorder, topics)
