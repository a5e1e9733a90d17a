# SPDX-License-Identifier: Apache-2.0
"""Messages to spec and back; images of every encoding, chunks with hostile contents."""

import array

import cv2
from hypothesis import given, settings, strategies
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Header

from cosmos_policy_ros.errors import ObservationError, PredictionError
from cosmos_policy_ros.nodes import conversions
from cosmos_policy_ros.spec.action import ActionChunk, JointCommand
from cosmos_policy_ros.spec.aloha import ALOHA, ALOHA_2_0, ALOHA_V1

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
JOINTS = ALOHA.num_joints


def image(encoding: str, pixels: np.ndarray, padding: int = 0) -> Image:
    """Make an image message whose rows end in `padding` bytes of rubbish."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    rows = np.concatenate([rows, np.full((height, padding), 77, np.uint8)], axis=1)
    return Image(header=Header(frame_id='cam'), height=height, width=width, encoding=encoding,
                 step=rows.shape[1], data=array.array('B', rows.tobytes()))


def chunk(positions: np.ndarray, **changes: int) -> ActionChunk:
    """Make a chunk at 25 Hz."""
    return ActionChunk(**{'positions': positions, 'stamp_ns': 5 * 10**9 + 7,
                          'period_ns': 40_000_000, **changes})


def test_an_rgb_image_survives_the_round_trip():
    msg = conversions.image_from_rgb(RGB, 12 * 10**9 + 34, 'cam')
    np.testing.assert_array_equal(conversions.rgb_from_image(msg), RGB)
    assert (msg.encoding, msg.step, msg.header.frame_id) == ('rgb8', 18, 'cam')
    assert conversions.stamp_to_ns(msg.header.stamp) == 12 * 10**9 + 34


@pytest.mark.parametrize(('encoding', 'pixels'), [
    ('rgb8', RGB), ('bgr8', RGB[..., ::-1]),
    ('rgba8', np.dstack([RGB, np.full((4, 6), 9, np.uint8)])),
    ('bgra8', np.dstack([RGB[..., ::-1], np.full((4, 6), 9, np.uint8)]))])
@pytest.mark.parametrize('padding', [0, 5])
def test_every_colour_encoding_becomes_rgb_whatever_the_row_padding(encoding, pixels, padding):
    msg = image(encoding, np.ascontiguousarray(pixels), padding)
    np.testing.assert_array_equal(conversions.rgb_from_image(msg), RGB)


@pytest.mark.parametrize('encoding', ['mono8', '16UC1', 'yuv422_yuy2', ''])
def test_an_encoding_without_colour_is_refused_with_the_allowed_ones(encoding):
    with pytest.raises(ObservationError, match='rgb8, bgr8'):
        conversions.rgb_from_image(image(encoding, RGB))


def test_an_image_whose_data_does_not_fit_its_size_is_refused():
    msg = image('rgb8', RGB)
    msg.height = 5
    with pytest.raises(ObservationError, match='holds 72 bytes'):
        conversions.rgb_from_image(msg)
    msg = image('rgb8', RGB)
    msg.step = 10
    with pytest.raises(ObservationError, match='step'):
        conversions.rgb_from_image(msg)
    with pytest.raises(ObservationError):
        conversions.rgb_from_image(Image(encoding='rgb8'))


def test_a_compressed_image_keeps_its_colours():
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    msg = conversions.compressed_from_rgb(red, 0, 'cam')
    assert np.abs(conversions.rgb_from_compressed(msg).astype(int) - red).max() < 6


@pytest.mark.parametrize('data', [b'', b'not a picture'])
def test_a_broken_compressed_image_is_refused(data):
    with pytest.raises(ObservationError, match='cannot be decoded'):
        conversions.rgb_from_compressed(
            CompressedImage(format='jpeg', data=array.array('B', data)))


def test_a_grey_jpeg_becomes_three_equal_channels():
    grey = np.full((16, 16), 90, np.uint8)
    data = cv2.imencode('.png', grey)[1].tobytes()
    rgb = conversions.rgb_from_compressed(
        CompressedImage(format='png', data=array.array('B', data)))
    assert rgb.shape == (16, 16, 3) and (rgb == 90).all()


@settings(max_examples=20, deadline=None)
@given(size=strategies.integers(1, 60), stamp_ns=strategies.integers(0, 2**62),
       seed=strategies.integers(0, 1000))
def test_a_chunk_survives_the_round_trip_over_a_trajectory(size, stamp_ns, seed):
    positions = np.random.default_rng(seed).normal(size=(size, JOINTS))
    sent = chunk(positions, stamp_ns=stamp_ns)
    received = conversions.chunk_from_trajectory(
        conversions.trajectory_from_chunk(sent, ALOHA), ALOHA)
    np.testing.assert_array_equal(received.positions, positions)
    assert (received.stamp_ns, received.period_ns) == (sent.stamp_ns, sent.period_ns)


def test_point_k_of_the_trajectory_is_due_after_k_plus_one_periods():
    msg = conversions.trajectory_from_chunk(chunk(np.zeros((30, JOINTS))), ALOHA)
    assert conversions.duration_to_ns(msg.points[0].time_from_start) == 40_000_000
    assert conversions.duration_to_ns(msg.points[29].time_from_start) == 1_200_000_000
    assert msg.points[29].time_from_start.sec == 1


def test_joints_are_put_in_order_by_name():
    positions = np.arange(2.0 * JOINTS).reshape(2, JOINTS)
    msg = conversions.trajectory_from_chunk(chunk(positions), ALOHA)
    received = conversions.chunk_from_trajectory(msg, ALOHA_2_0)
    np.testing.assert_array_equal(received.positions[:, :7], positions[:, 7:])


@pytest.mark.parametrize('spoil', [
    lambda msg: msg.joint_names.pop(),
    lambda msg: msg.joint_names.__setitem__(0, 'left_tail'),
    lambda msg: msg.joint_names.__setitem__(0, msg.joint_names[1]),
    lambda msg: msg.points[1].positions.pop(),
    lambda msg: msg.points.clear(),
    lambda msg: msg.points.reverse(),
    lambda msg: setattr(msg.points[0].time_from_start, 'nanosec', 0),
    lambda msg: msg.points[0].positions.__setitem__(3, float('nan')),
])
def test_a_trajectory_that_is_no_chunk_is_refused(spoil):
    msg = conversions.trajectory_from_chunk(chunk(np.zeros((3, JOINTS))), ALOHA)
    spoil(msg)
    with pytest.raises(PredictionError):
        conversions.chunk_from_trajectory(msg, ALOHA)


@pytest.mark.parametrize('robot', [ALOHA, ALOHA_V1])
def test_commands_split_by_arm_and_turn_openings_into_motor_angles(robot):
    positions = np.linspace(-1, 1, JOINTS)
    positions[[6, 13]] = 0.0, 1.0
    (left, left_gripper), (right, right_gripper) = conversions.driver_commands(
        JointCommand(positions=positions, stamp_ns=0), robot)
    np.testing.assert_allclose(left.cmd, positions[:6], rtol=1e-6)
    np.testing.assert_allclose(right.cmd, positions[7:13], rtol=1e-6)
    gripper = robot.arms[0].gripper
    assert left_gripper.cmd == pytest.approx(gripper.joint_closed_rad)
    assert right_gripper.cmd == pytest.approx(gripper.joint_open_rad)
    assert (left.name, left_gripper.name) == ('arm', 'gripper')


def test_a_joint_state_is_looked_up_by_name():
    arm = ALOHA.arms[0]
    names = ['left_finger', *reversed(arm.joint_names), 'gripper']
    positions = [arm.gripper.finger_open_m, *range(6), 1.0]
    positions[1:7] = [value / 10 for value in positions[1:7]]
    sample = conversions.joint_sample(JointState(name=names, position=positions), arm)
    np.testing.assert_allclose(sample.positions, [.5, .4, .3, .2, .1, 0.0, 1.0])


def test_a_joint_state_without_the_finger_is_refused():
    arm = ALOHA.arms[0]
    with pytest.raises(ObservationError, match='left_finger'):
        conversions.joint_sample(
            JointState(name=list(arm.joint_names), position=[0.0] * 6), arm)
