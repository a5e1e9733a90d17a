# SPDX-License-Identifier: Apache-2.0
"""The video plays the episode at its speed, with what had been imagined below."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_episode import Shape

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.video import render_video
from cosmos_policy_ros.recording.reader import EpisodeReader

# Middle of the imagined panel of the first camera, and the right top of the sheet.
IMAGINED = (slice(400, 420), slice(160, 180))
WARNING = (slice(0, 34), slice(700, 992))


@pytest.fixture(scope='module')
def rendered(reader, topics, tmp_path_factory) -> tuple[Path, int, list[float]]:
    """Video of the shared episode, the number of its frames and the progress reported."""
    path = tmp_path_factory.mktemp('video') / 'video.mp4'
    progress: list[float] = []
    return path, render_video(reader, path, topics, on_progress=progress.append), progress


@pytest.fixture(scope='module')
def frames(rendered) -> list[np.ndarray]:
    """Decoded frames of that video, RGB."""
    with av.open(str(rendered[0])) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


def test_video_is_h264_at_the_asked_rate_and_length(rendered):
    path, count, _ = rendered
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ('h264', 'yuv420p')
        assert (stream.average_rate, stream.frames) == (15, count) == (15, 61)
        assert container.duration / av.time_base == pytest.approx(61 / 15, abs=0.01)
        assert (stream.width, stream.height) == (992, 574)


def test_player_can_start_before_the_whole_file_is_there(rendered):
    content = rendered[0].read_bytes()
    assert 0 < content.index(b'moov') < content.index(b'mdat')


def test_square_moves_with_the_time(frames):
    for index in (0, 15, 30, 44):
        live = frames[index][60:300, 8:328]
        bright = np.argwhere(live[..., 1] > 150)
        left = int(52 * (index // 0.6 * 0.04 / 4.0 % 1.0)) * 5
        assert bright[:, 1].min() == pytest.approx(left, abs=6)


def test_imagined_panel_is_grey_until_the_imagined_time_has_come(frames):
    assert frames[0][420:560, 20:300].std() < 40
    assert np.ptp(frames[29][550, 20:300].mean(axis=0)) < 15
    for index, blue in ((31, 0), (46, 40), (60, 80)):
        red, green, seen = frames[index][IMAGINED].reshape(-1, 3).mean(axis=0)
        assert seen == pytest.approx(blue, abs=12)
        assert max(red, green) < 15


def test_untrained_policy_is_marked_in_every_frame_with_an_answer(
        frames, write_episode: Callable[..., Path], topics, tmp_path: Path):
    def amber(frame: np.ndarray) -> int:
        area = frame[WARNING].astype(int)
        return int(np.count_nonzero(area[..., 0] - area[..., 2] > 60))

    assert amber(frames[0]) == 0
    assert min(amber(frame) for frame in frames[5:]) > 100
    trained = EpisodeReader(write_episode(tmp_path, Shape(duration_s=1.0, is_trained=True)))
    render_video(trained, tmp_path / 'trained.mp4', topics)
    with av.open(str(tmp_path / 'trained.mp4')) as container:
        assert not any(amber(frame.to_ndarray(format='rgb24'))
                       for frame in container.decode(video=0))


def test_progress_rises_to_one(rendered):
    _, count, progress = rendered
    assert progress == [pytest.approx((index + 1) / count) for index in range(count)]


def test_failed_video_leaves_the_old_one(reader, topics, tmp_path: Path):
    path = tmp_path / 'video.mp4'
    path.write_bytes(b'old')

    def interrupt(share: float) -> None:
        if share > 0.9:
            assert len(list(tmp_path.iterdir())) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_video(reader, path, topics, on_progress=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ['video.mp4']
    assert path.read_bytes() == b'old'


def test_folder_that_cannot_be_written_is_named(reader, topics, tmp_path: Path):
    with pytest.raises(RecordingError, match='missing/video.mp4'):
        render_video(reader, tmp_path / 'missing' / 'video.mp4', topics)
