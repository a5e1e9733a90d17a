# SPDX-License-Identifier: Apache-2.0
"""Images of every encoding to arrays and back."""

import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from cosmos_policy_ros.errors import ObservationError
from cosmos_policy_ros.nodes.conversions import stamp_to_ns
from cosmos_policy_ros.nodes.image_conversions import (
    compressed_from_rgb, image_from_rgb, rgb_from_compressed, rgb_from_image)

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def image(encoding: str, pixels: np.ndarray, padding: int = 0) -> Image:
    """Make an image message whose rows end in `padding` bytes of rubbish."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    rows = np.concatenate([rows, np.full((height, padding), 77, np.uint8)], axis=1)
    return Image(header=Header(frame_id='cam'), height=height, width=width, encoding=encoding,
                 step=rows.shape[1], data=array.array('B', rows.tobytes()))


def test_an_rgb_image_survives_the_round_trip():
    msg = image_from_rgb(RGB, 12 * 10**9 + 34, 'cam')
    np.testing.assert_array_equal(rgb_from_image(msg), RGB)
    assert (msg.encoding, msg.step, msg.header.frame_id) == ('rgb8', 18, 'cam')
    assert stamp_to_ns(msg.header.stamp) == 12 * 10**9 + 34


@pytest.mark.parametrize(('encoding', 'pixels'), [
    ('rgb8', RGB), ('bgr8', RGB[..., ::-1]),
    ('rgba8', np.dstack([RGB, np.full((4, 6), 9, np.uint8)])),
    ('bgra8', np.dstack([RGB[..., ::-1], np.full((4, 6), 9, np.uint8)]))])
@pytest.mark.parametrize('padding', [0, 5])
def test_every_colour_encoding_becomes_rgb_whatever_the_row_padding(encoding, pixels, padding):
    msg = image(encoding, np.ascontiguousarray(pixels), padding)
    np.testing.assert_array_equal(rgb_from_image(msg), RGB)


@pytest.mark.parametrize('encoding', ['mono8', '16UC1', 'yuv422_yuy2', ''])
def test_an_encoding_without_colour_is_refused_with_the_allowed_ones(encoding):
    with pytest.raises(ObservationError, match='rgb8, bgr8'):
        rgb_from_image(image(encoding, RGB))


def test_an_image_whose_data_does_not_fit_its_size_is_refused():
    msg = image('rgb8', RGB)
    msg.height = 5
    with pytest.raises(ObservationError, match='holds 72 bytes'):
        rgb_from_image(msg)
    msg = image('rgb8', RGB)
    msg.step = 10
    with pytest.raises(ObservationError, match='step'):
        rgb_from_image(msg)
    with pytest.raises(ObservationError):
        rgb_from_image(Image(encoding='rgb8'))


def test_a_compressed_image_keeps_its_colours():
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    msg = compressed_from_rgb(red, 0, 'cam')
    assert np.abs(rgb_from_compressed(msg).astype(int) - red).max() < 6


@pytest.mark.parametrize('data', [b'', b'not a picture'])
def test_a_broken_compressed_image_is_refused(data):
    with pytest.raises(ObservationError, match='cannot be decoded'):
        rgb_from_compressed(
            CompressedImage(format='jpeg', data=array.array('B', data)))


def test_a_grey_jpeg_becomes_three_equal_channels():
    grey = np.full((16, 16), 90, np.uint8)
    data = cv2.imencode('.png', grey)[1].tobytes()
    rgb = rgb_from_compressed(
        CompressedImage(format='png', data=array.array('B', data)))
    assert rgb.shape == (16, 16, 3) and (rgb == 90).all()
