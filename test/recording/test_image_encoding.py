# SPDX-License-Identifier: Apache-2.0
"""Images become JPEG, PNG or H.264 that common tools read, with stamp and frame kept."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.recording.background_writer import (
    BackgroundWriter, WaitingMessage, WriteSettings)
from cosmos_policy_ros.recording.decode import decoded_messages, image_decoder, stamp_ns
from cosmos_policy_ros.recording.encode import encode_message, header
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.image_encoding import (
    COMPRESSED_TYPE, IMAGE_TYPE, ImageEncoding, make_encoder, stored_image_topic, VIDEO_TYPE)
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import EpisodeWriter

RAW = Topic(name='/cam/image', type_name=IMAGE_TYPE, qos=TopicQos(reliability='best_effort'))
PERIOD_NS = 33_000_000
# An H.264 key frame brings its parameter set along: a NAL unit of type 7.
PARAMETER_SET = b'\0\0\0\x01\x67'


def scene(number: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """Return a smooth coloured picture that differs from its neighbours, RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x + number, 3 * y + number, (x + y + 3 * number) % 200],
                    axis=-1).astype(np.uint8)


def image_message(pixels: np.ndarray, encoding: str = 'rgb8', padding: int = 0,
                  number: int = 0) -> bytes:
    """Serialise an image whose rows have padding behind them."""
    rows = pixels.reshape(len(pixels), -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return encode_message(IMAGE_TYPE, {
        'header': header(number * PERIOD_NS, 'optical'), 'height': len(pixels),
        'width': pixels.shape[1], 'encoding': encoding, 'step': data.shape[1],
        'data': data.tobytes()})


def record(writer: EpisodeWriter, messages: list[bytes], **encoding: object) -> EpisodeReader:
    """Record images of one camera, one every 33 ms."""
    notices: list[str] = []
    background = BackgroundWriter(
        writer, WriteSettings(encoding=ImageEncoding(**encoding)), on_notice=notices.append)
    background.add_topic(RAW)
    for number, message in enumerate(messages):
        assert background.put(WaitingMessage(
            topic_name=RAW.name, data=message, log_time_ns=number, publish_time_ns=number))
    background.close()
    reader = EpisodeReader(writer.finish(EpisodeLabel(), ended_ns=1))
    reader.notices = notices
    return reader


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8'])
def test_png_gives_back_every_pixel(encoding: str, padding: int):
    rgb = scene()
    pixels = {'rgb8': rgb, 'bgr8': rgb[..., ::-1], 'mono8': rgb[..., 0]}[encoding]
    encoder = make_encoder(RAW, ImageEncoding(kind='png'))
    data = encoder.encode(image_message(pixels, encoding, padding))
    found = cv2.imdecode(np.frombuffer(data[data.index(b'\x89PNG'):], np.uint8),
                         cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found, pixels[..., ::-1] if encoding == 'rgb8' else pixels)


@pytest.mark.parametrize(('kind', 'stored', 'type_name', 'tolerance'), [
    ('raw', '/cam/image', IMAGE_TYPE, 0), ('png', '/cam/image/compressed', COMPRESSED_TYPE, 0),
    ('jpeg', '/cam/image/compressed', COMPRESSED_TYPE, 8),
    ('h264', '/cam/image/h264', VIDEO_TYPE, 12)])
def test_a_recorded_camera_can_be_read_back_in_order(
        begin: Callable[..., EpisodeWriter], kind: str, stored: str, type_name: str,
        tolerance: int):
    reader = record(
        begin(), [image_message(scene(i), number=i) for i in range(70)], kind=kind)
    assert {name: (t.type_name, t.count) for name, t in reader.topics.items()} == {
        stored: (type_name, 70)}
    assert stored_image_topic(RAW.name, reader.topics) == stored
    decode = image_decoder(type_name)
    for number, (_, log_time_ns, message) in enumerate(decoded_messages(reader)):
        assert (log_time_ns, stamp_ns(message)) == (number, number * PERIOD_NS)
        difference = decode(message).astype(int) - scene(number)
        assert np.abs(difference).mean() <= tolerance
    frame = message.header.frame_id if kind != 'h264' else message.frame_id
    assert frame == 'optical'


@pytest.mark.parametrize(('encoding', 'expected'), [
    ('rgb8', 'rgb8; jpeg compressed bgr8'), ('bgr8', 'bgr8; jpeg compressed bgr8'),
    ('mono8', 'mono8; jpeg compressed ')])
def test_the_format_says_what_image_transport_would_say(
        begin: Callable[..., EpisodeWriter], encoding: str, expected: str):
    pixels = scene()[..., 0] if encoding == 'mono8' else scene()
    reader = record(begin(), [image_message(pixels, encoding)])
    [message] = decoded_messages(reader)
    assert message.message.format == expected


@pytest.mark.parametrize('encoding', ['16UC1', 'bayer_rggb8', '', 'rgba8'])
def test_an_encoding_without_a_compressed_form_is_stored_as_it_came_and_said_once(
        begin: Callable[..., EpisodeWriter], encoding: str):
    messages = [image_message(scene(i), encoding) for i in range(5)]
    reader = record(begin(), messages)
    assert [m.data for m in reader.messages([RAW.name])] == messages
    [notice] = reader.notices
    assert '/cam/image' in notice and repr(encoding) in notice


def test_a_camera_that_changes_its_encoding_loses_no_image(begin: Callable[..., EpisodeWriter]):
    reader = record(begin(), [image_message(scene(i), ['rgb8', '16UC1'][i % 2])
                              for i in range(10)])
    assert {name: topic.count for name, topic in reader.topics.items()} == {
        '/cam/image': 5, '/cam/image/compressed': 5}
    assert [m.log_time_ns for m in reader.messages()] == list(range(10))


@pytest.mark.parametrize('change', [
    {'height': 3000}, {'width': 0}, {'step': 1}, {'data': b''}, {'data': bytes(7)}])
@pytest.mark.parametrize('kind', ['jpeg', 'h264'])
def test_an_image_whose_data_do_not_fit_its_size_is_stored_as_it_came(
        begin: Callable[..., EpisodeWriter], kind: str, change: dict):
    message = encode_message(IMAGE_TYPE, {
        'header': header(5), 'height': 4, 'width': 6, 'encoding': 'rgb8', 'step': 18,
        'data': bytes(72), **change})
    reader = record(begin(), [message], kind=kind)
    assert [m.data for m in reader.messages([RAW.name])] == [message]
    assert len(reader.notices) == 1


def test_a_video_can_be_read_from_every_second_on(begin: Callable[..., EpisodeWriter]):
    reader = record(begin(), [image_message(scene(i), number=i) for i in range(100)], kind='h264')
    messages = [message.message for message in decoded_messages(reader)]
    keys = [i for i, message in enumerate(messages) if PARAMETER_SET in bytes(message.data)]
    assert keys[0] == 0 and max(np.diff(keys)) * PERIOD_NS <= 1_000_000_000 + PERIOD_NS
    decode = image_decoder(VIDEO_TYPE)
    assert all(decode(message).shape == (48, 64, 3) for message in messages[keys[1]:])
    with pytest.raises(RecordingError):
        image_decoder(VIDEO_TYPE)(messages[keys[1] + 1])


def test_a_clock_that_goes_back_makes_a_key_frame():
    encoder = make_encoder(RAW, ImageEncoding(kind='h264'))
    messages = [encoder.encode(image_message(scene(), number=number))
                for number in (100, 101, 102, 3, 4)]
    assert [PARAMETER_SET in message for message in messages] == [
        True, False, False, True, False]


def test_a_video_that_changes_its_size_goes_on():
    encoder = make_encoder(RAW, ImageEncoding(kind='h264'))
    for number, size in enumerate([(48, 64), (48, 64), (32, 32), (48, 64)]):
        assert encoder.encode(image_message(scene(number, *size), number=number))
    with pytest.raises(RecordingError, match='63 x 47'):
        encoder.encode(image_message(scene(0, 47, 63)))


def test_cameras_are_stored_each_in_its_own_way(begin: Callable[..., EpisodeWriter]):
    encoding = ImageEncoding(video_topics=('/cam/image',))
    assert (encoding.kind_of('/cam/image'), encoding.kind_of('/other')) == ('h264', 'jpeg')
    assert make_encoder(Topic(name='/talk', type_name='std_msgs/msg/String'), encoding) is None


@pytest.mark.parametrize('wrong', [
    {'kind': 'gif'}, {'jpeg_quality': 0}, {'jpeg_quality': 101}, {'video_crf': 52}])
def test_settings_out_of_range_are_refused_with_what_is_allowed(wrong: dict):
    with pytest.raises(RecordingError, match='allowed'):
        ImageEncoding(**wrong)


def test_offered_quality_of_service_is_kept_under_the_new_name(
        begin: Callable[..., EpisodeWriter], tmp_path: Path):
    from rosbags.rosbag2 import Reader
    path = record(begin(), [image_message(scene())]).path
    with Reader(path) as reader:
        [topic] = reader.connections
        assert topic.topic == '/cam/image/compressed'
        assert topic.ext.offered_qos_profiles[0].reliability.name == 'BEST_EFFORT'


@pytest.mark.parametrize('order', [1, -1])
def test_two_streams_never_share_a_name(begin: Callable[..., EpisodeWriter], order: int):
    background = BackgroundWriter(begin(), WriteSettings(encoding=ImageEncoding()))
    own = Topic(name='/cam/image/compressed', type_name=COMPRESSED_TYPE)
    first, second = [RAW, own][::order]
    background.add_topic(first)
    with pytest.raises(RecordingError, match=f'{second.name} cannot be stored'):
        background.add_topic(second)
    background.close()
