# SPDX-License-Identifier: Apache-2.0
"""Videos of images: the way of a JPEG without RGB leads to the same picture."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.exchange.video_file import read_video, VideoFileWriter
from cosmos_policy_ros.recording.step_image import StepImage

SAMPLING = {'4:2:0': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
            '4:2:2': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
            '4:4:4': cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}


def scene(width=96, height=64):
    """Saturated colours that fade into one another, black and white among them."""
    corners = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255]],
                        [[0, 0, 255], [0, 0, 0], [255, 255, 0]]], np.uint8)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def jpeg(pixels, *options):
    stored = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return cv2.imencode('.jpg', stored, [cv2.IMWRITE_JPEG_QUALITY, 95, *options])[1].tobytes()


def written(path, *images):
    """The frames of a video of images."""
    with VideoFileWriter(path, Fraction(25), gop=2, quantiser=10) as video:
        for image in images:
            video.add(image)
    return list(read_video(path))


@pytest.mark.parametrize('sampling', SAMPLING)
def test_a_jpeg_becomes_the_frame_that_its_pixels_become(tmp_path, sampling):
    image = StepImage(0, encoded=jpeg(
        scene(), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling]))
    [direct] = written(tmp_path / 'direct.mp4', image)
    [by_pixels] = written(tmp_path / 'pixels.mp4', StepImage(0, pixels=image.pixels))
    difference = np.abs(direct.astype(int) - by_pixels)
    assert difference.mean() < 2 and np.percentile(difference, 99) < 8
    loss, loss_by_pixels = (np.abs(frame.astype(int) - scene()).mean()
                            for frame in (direct, by_pixels))
    assert loss <= loss_by_pixels < 3


def test_a_grey_jpeg_becomes_grey(tmp_path):
    grey = cv2.cvtColor(scene(), cv2.COLOR_RGB2GRAY)
    [frame] = written(tmp_path / 'grey.mp4', StepImage(0, encoded=jpeg(grey)))
    assert np.abs(frame.astype(int) - grey[..., None]).mean() < 2


def test_colours_that_a_writer_exchanged_come_out_right(tmp_path):
    image = StepImage(0, encoded=jpeg(scene()[..., ::-1]), is_swapped=True)
    [frame] = written(tmp_path / 'swapped.mp4', image)
    assert np.abs(frame.astype(int) - scene()).mean() < 4


def test_an_image_that_is_shown_again_is_a_frame_again(tmp_path):
    first, second = (StepImage(0, encoded=jpeg(pixels)) for pixels in (
        scene(), scene()[::-1].copy()))
    frames = written(tmp_path / 'again.mp4', first, first, second, second, first)
    assert len(frames) == 5
    for frame, shown in zip(frames, (first, first, second, second, first)):
        assert np.abs(frame.astype(int) - shown.pixels).mean() < 8


@pytest.mark.parametrize('form', ['jpeg', 'pixels'])
@pytest.mark.parametrize('size', [(97, 64), (64, 48)])
def test_odd_and_other_sizes_are_refused(tmp_path, form, size):
    images = [StepImage(0, encoded=jpeg(pixels)) if form == 'jpeg' else StepImage(
        0, pixels=pixels) for pixels in (scene(), scene(*size))]
    with pytest.raises(RecordingError, match=f'{size[0]} x {size[1]}'):
        written(tmp_path / 'sizes.mp4', *images)


def test_a_damaged_jpeg_is_refused(tmp_path):
    with pytest.raises(RecordingError, match='13 bytes cannot be decoded'):
        written(tmp_path / 'damaged.mp4', StepImage(0, encoded=b'\xff\xd8 no picture'))
