# SPDX-License-Identifier: Apache-2.0
"""Episodes to export: an ALOHA that moves, its cameras at 30 Hz, images as they are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cosmos_policy_ros.bringup import RobotPreset
from cosmos_policy_ros.recording.encode import encode_message, header
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.image_encoding import COMPRESSED_TYPE, IMAGE_TYPE
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter

IMAGE_RATE_HZ, JOINT_RATE_HZ, COMMAND_RATE_HZ = 30, 100, 50
_START_NS = 1_700_000_000_000_000_000
_JPEG_QUALITY = 90
# Sensor noise, so that images take the room that those of a camera take.
_NOISE = 4.0
_SCENES = 16

_Message = tuple[int, str, str, dict[str, Any]]


def write_episode(
    directory: Path, preset: RobotPreset, *, name: str, duration_s: float, is_raw: bool,
    image_size: tuple[int, int] = (640, 480), cameras: tuple[str, ...] = (),
) -> Path:
    """Write an episode.

    Args:
        directory: Folder that receives it.
        preset: Robot and its names.
        name: Name of the episode.
        duration_s: Its length in [s].
        is_raw: Store images as they come, else as JPEG.
        image_size: Width and height in pixels.
        cameras: Cameras; all of the robot if empty.

    Returns:
        Its folder.
    """
    writer = EpisodeWriter(directory, EpisodeMetadata(
        task='swing both arms', robot=preset.robot.name, mode='scripted', software_version='',
        started_ns=_START_NS), name=name)
    cameras = cameras or tuple(camera.name for camera in preset.robot.cameras)
    messages = [*_joints(preset, duration_s), *_commands(preset, duration_s)]
    images = _images(preset, cameras, duration_s, image_size, is_raw)
    for time_ns, topic, type_name, fields in _merged(messages, images):
        if topic not in writer.message_counts:
            writer.add_topic(Topic(name=topic, type_name=type_name))
        writer.write(topic, encode_message(type_name, fields), log_time_ns=time_ns,
                     publish_time_ns=time_ns)
    return writer.finish(
        EpisodeLabel(outcome='success'), ended_ns=_START_NS + round(duration_s * 1e9))


def _merged(messages: list[_Message], images: Iterator[_Message]) -> Iterator[_Message]:
    """Merge in the order of time, without holding the images."""
    waiting = iter(sorted(messages, key=lambda message: message[0]))
    message = next(waiting, None)
    for image in images:
        while message is not None and message[0] <= image[0]:
            yield message
            message = next(waiting, None)
        yield image
    if message is not None:
        yield message
    yield from waiting


def _times(rate_hz: int, duration_s: float) -> Iterator[tuple[int, float]]:
    for index in range(round(duration_s * rate_hz) + 1):
        yield _START_NS + round(index * 1e9 / rate_hz), index / rate_hz


def _angles(time_s: float) -> list[float]:
    return [-0.2 + 0.1 * joint + 0.25 * np.sin(2.0 * time_s + joint) for joint in range(6)]


def _joints(preset: RobotPreset, duration_s: float) -> Iterator[_Message]:
    for time_ns, time_s in _times(JOINT_RATE_HZ, duration_s):
        for arm in preset.robot.arms:
            finger_m = (arm.gripper.finger_closed_m + arm.gripper.finger_open_m) / 2
            yield (time_ns, preset.names[f'{arm.name}/joint_states'],
                   'sensor_msgs/msg/JointState', {
                       'header': header(time_ns),
                       'name': [*arm.joint_names, arm.gripper_joint, arm.finger_joint,
                                'right_finger'],
                       'position': [*_angles(time_s), arm.gripper.joint_from_opening(0.5),
                                    finger_m, -finger_m],
                       'velocity': [0.0] * 9, 'effort': [0.0] * 9})


def _commands(preset: RobotPreset, duration_s: float) -> Iterator[_Message]:
    for time_ns, time_s in _times(COMMAND_RATE_HZ, duration_s):
        for arm in preset.robot.arms:
            yield (time_ns, preset.names[f'{arm.name}/commands/joint_group'],
                   'interbotix_xs_msgs/msg/JointGroupCommand',
                   {'name': 'arm', 'cmd': _angles(time_s + 0.1)})
            yield (time_ns, preset.names[f'{arm.name}/commands/joint_single'],
                   'interbotix_xs_msgs/msg/JointSingleCommand',
                   {'name': arm.gripper_joint, 'cmd': arm.gripper.joint_from_opening(0.5)})


def _images(
    preset: RobotPreset, cameras: tuple[str, ...], duration_s: float, size: tuple[int, int],
    is_raw: bool,
) -> Iterator[_Message]:
    scenes = _scenes(size)
    jpegs = [cv2.imencode('.jpg', scene[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
             [1].tobytes() for scene in scenes]
    width, height = size
    for number, (time_ns, _) in enumerate(_times(IMAGE_RATE_HZ, duration_s)):
        for camera in cameras:
            topic, fields = preset.names[f'{camera}/image'], {'header': header(time_ns, camera)}
            if is_raw:
                yield time_ns, topic, IMAGE_TYPE, {
                    **fields, 'height': height, 'width': width, 'encoding': 'rgb8',
                    'step': 3 * width, 'data': scenes[number % _SCENES].tobytes()}
            else:
                yield time_ns, f'{topic}/compressed', COMPRESSED_TYPE, {
                    **fields, 'format': 'rgb8; jpeg compressed bgr8',
                    'data': jpegs[number % _SCENES]}


def _scenes(size: tuple[int, int]) -> list[np.ndarray]:
    """Return views of a table with blocks on it while it moves by. Each (H, W, 3), uint8, RGB."""
    random = np.random.default_rng(0)
    width, height = size
    coarse = random.integers(40, 220, (height // 40 + 1, width // 20 + 1, 3)).astype(np.uint8)
    table = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_LINEAR)
    return [np.clip(table[:, shift:shift + width] + random.normal(0.0, _NOISE, (height, width, 3)),
                    0, 255).astype(np.uint8)
            for shift in np.linspace(0, width, _SCENES, dtype=int)]
