# SPDX-License-Identifier: Apache-2.0
"""A synthetic ALOHA episode whose figures are known, serialised without ROS."""

from __future__ import annotations

from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter
from cosmos_policy_ros.spec.aloha import ALOHA, ARM_JOINTS

ROOT = Path(__file__).resolve().parents[2]
MESSAGE_FOLDERS = {
    'cosmos_policy_ros': ROOT / 'msg',
    'interbotix_xs_msgs': ROOT / 'cosmos_policy_ros/simulation/assets/interbotix_xs_msgs/msg'}
NAMES = {
    **{f'{arm.name}/{suffix}': f'/{arm.name}/{suffix}' for arm in ALOHA.arms
       for suffix in ('joint_states', 'commands/joint_group', 'commands/joint_single')},
    **{f'{camera.name}/image': f'/{camera.name}/camera/color/image_rect_raw'
       for camera in ALOHA.cameras}}
CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')
START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a synthetic episode is like; times in [s]."""

    duration_s: float = 4.0
    image_size: tuple[int, int] = (64, 48)
    predicted_size: tuple[int, int] = (32, 32)
    command_lag_s: float = 0.0
    gap_s: tuple[float, float] = (0.0, 0.0)
    query_period_s: float = 1.0
    latency_s: float = 0.25
    is_trained: bool = False
    task: str = 'put the red cube into the cup'


def joint_angle(joint: int, time_s: float) -> float:
    """Angle in [rad] of an arm joint at a time; its speed is at most 0.5 rad/s."""
    return -0.2 + 0.1 * joint + 0.25 * math.sin(2.0 * time_s + joint)


def opening(time_s: float) -> float:
    """Opening of both grippers at a time."""
    return 0.5 + 0.4 * math.sin(time_s)


class SyntheticRecorder:
    """Writes messages of a made-up robot to an episode."""

    def __init__(self, writer: EpisodeWriter, typestore: Typestore) -> None:
        self.writer = writer
        self._store = typestore

    def make(self, type_name: str, **fields: Any) -> Any:
        """Message object; fields that are not given are zero or empty."""
        package, name = type_name.split('/')
        cls = self._store.types[f'{package}/msg/{name}']
        defaults = {name: self._default(kind) for name, kind in
                    self._store.fielddefs[f'{package}/msg/{name}'][1]}
        return cls(**{**defaults, **fields})

    def _default(self, kind: Any) -> Any:
        node, detail = kind
        if node.name == 'NAME':
            return self.make(detail.replace('/msg/', '/'))
        if node.name == 'BASE':
            return '' if detail[0] == 'string' else False if detail[0] == 'bool' else 0
        (_, inner), _ = detail
        is_number = isinstance(inner, tuple) and inner[0] != 'string'
        return np.array([], getattr(np, inner[0])) if is_number else []

    def header(self, time_s: float) -> Any:
        """Header stamped `time_s` after the start."""
        time_ns = START_NS + round(time_s * 1e9)
        stamp = self.make('builtin_interfaces/Time', sec=time_ns // 10**9,
                          nanosec=time_ns % 10**9)
        return self.make('std_msgs/Header', stamp=stamp)

    def write(self, topic: str, time_s: float, type_name: str, **fields: Any) -> None:
        """Write one message received `time_s` after the start."""
        full_name = type_name.replace('/', '/msg/')
        if topic not in self.writer.message_counts:
            self.writer.add_topic(Topic(name=topic, type_name=full_name))
        data = self._store.serialize_cdr(self.make(type_name, **fields), full_name)
        time_ns = START_NS + round(time_s * 1e9)
        self.writer.write(topic, bytes(data), log_time_ns=time_ns, publish_time_ns=time_ns)

    def joints(self, time_s: float) -> None:
        """Write the measured joints of both arms."""
        for arm in ALOHA.arms:
            finger = (arm.gripper.finger_closed_m + opening(time_s)
                      * (arm.gripper.finger_open_m - arm.gripper.finger_closed_m))
            values = [joint_angle(joint, time_s) for joint in range(6)]
            self.write(
                NAMES[f'{arm.name}/joint_states'], time_s, 'sensor_msgs/JointState',
                header=self.header(time_s),
                name=[*ARM_JOINTS, 'gripper', 'left_finger', 'right_finger'],
                position=np.array([*values, 0.0, finger, -finger]))

    def commands(self, time_s: float, lag_s: float) -> None:
        """Write commands that the measurement follows `lag_s` later."""
        for arm in ALOHA.arms:
            cmd = [joint_angle(joint, time_s + lag_s) for joint in range(6)]
            self.write(NAMES[f'{arm.name}/commands/joint_group'], time_s,
                       'interbotix_xs_msgs/JointGroupCommand', name='arm',
                       cmd=np.array(cmd, np.float32))
            self.write(NAMES[f'{arm.name}/commands/joint_single'], time_s,
                       'interbotix_xs_msgs/JointSingleCommand', name='gripper',
                       cmd=arm.gripper.joint_from_opening(opening(time_s + lag_s)))

    def image(self, topic: str, stamp_s: float, time_s: float, pixels: np.ndarray) -> None:
        """Write an RGB image."""
        height, width, _ = pixels.shape
        self.write(topic, time_s, 'sensor_msgs/Image', header=self.header(stamp_s),
                   height=height, width=width, encoding='rgb8', step=3 * width,
                   data=pixels.reshape(-1))

    def chunk(self, stamp_s: float, shape: Shape, index: int) -> None:
        """Write an answer of the policy and the future that it imagined."""
        times_s = [stamp_s + 0.04 * (k + 1) for k in range(50)]
        positions = np.array([[*(joint_angle(j, t) for j in range(6)), opening(t)] * 2
                              for t in times_s])
        timings = [self.make('cosmos_policy_ros/StageTiming', name=name, duration_s=duration_s)
                   for name, duration_s in (('encode', 0.05), ('denoise', 0.15 + 0.01 * index),
                                            ('decode', 0.02))]
        received_s = stamp_s + shape.latency_s
        self.write('/policy_node/action_chunk', received_s, 'cosmos_policy_ros/ActionChunk',
                   header=self.header(stamp_s), joint_names=list(ALOHA.joint_names),
                   chunk_size=50, period_s=0.04, positions=positions.reshape(-1), task=shape.task,
                   mode='direct', policy='tiny', is_trained=shape.is_trained,
                   value=0.2 + 0.1 * index, timings=timings)
        for camera in CAMERAS:
            width, height = shape.predicted_size
            self.image(f'/policy_node/predicted/{camera}', times_s[-1], received_s,
                       np.full((height, width, 3), (0, 0, 40 * index % 256), np.uint8))


def moving_square(size: tuple[int, int], time_s: float) -> np.ndarray:
    """Image of a bright square that crosses in 4 s; its red channel counts time in 1/25 s."""
    width, height = size
    pixels = np.full((height, width, 3), 60, np.uint8)
    side = height // 4
    left = int((width - side) * (time_s / 4.0 % 1.0))
    pixels[side:2 * side, left:left + side] = 230
    pixels[..., 0] = round(time_s * 25) % 256
    return pixels


def robot_typestore() -> Typestore:
    """Return the message types of Jazzy, the Interbotix drivers and this package."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for package, folder in MESSAGE_FOLDERS.items():
        types: dict[str, Any] = {}
        for path in folder.glob('*.msg'):
            types |= get_types_from_msg(path.read_text(), f'{package}/msg/{path.stem}')
        store.register(types)
    return store


def link_messages(prefix: Path) -> Path:
    """Turn a folder into an installation prefix with the messages of the source tree."""
    for package, folder in MESSAGE_FOLDERS.items():
        (prefix / 'share' / package).mkdir(parents=True)
        (prefix / 'share' / package / 'msg').symlink_to(folder)
    return prefix


def begin_recorder(directory: Path, task: str, typestore: Typestore) -> SyntheticRecorder:
    """Begin an episode in a folder."""
    return SyntheticRecorder(EpisodeWriter(directory, EpisodeMetadata(
        task=task, robot='interbotix', mode='direct', checkpoint='tiny', seed=7,
        software_version='0.1.0', started_ns=START_NS)), typestore)


def write_synthetic_episode(directory: Path, shape: Shape, typestore: Typestore) -> Path:
    """Write an episode into a folder and return the folder of the episode."""
    recorder = begin_recorder(directory, shape.task, typestore)
    gap_start_s, gap_end_s = shape.gap_s
    for tick in range(round(shape.duration_s * 100) + 1):
        time_s = tick / 100
        recorder.joints(time_s)
        if tick % 2 == 0:
            recorder.commands(time_s, shape.command_lag_s)
        if tick % 4 == 0 and not gap_start_s < time_s < gap_end_s:
            for camera in CAMERAS:
                recorder.image(NAMES[f'{camera}/image'], time_s, time_s,
                               moving_square(shape.image_size, time_s))
        if tick % round(shape.query_period_s * 100) == 0:
            recorder.chunk(time_s, shape, round(time_s / shape.query_period_s))
        if tick % 50 == 0:
            _write_status(recorder, tick, shape)
    return recorder.writer.finish(
        EpisodeLabel(outcome='success', score=1.0),
        ended_ns=START_NS + round(shape.duration_s * 1e9))


def _write_status(recorder: SyntheticRecorder, tick: int, shape: Shape) -> None:
    time_s = tick / 100
    recorder.write(
        '/arm_node/status', time_s, 'cosmos_policy_ros/ArmStatus', ticks=1000 + tick // 2,
        late_ticks=tick // 100, state='holding' if tick == 0 else 'moving',
        stop_reason='no_chunk' if tick == 0 else 'none')
    recorder.write(
        '/simulated_aloha_node/status', time_s, 'cosmos_policy_ros/SimulationStatus',
        task=shape.task, success=time_s > 0.8 * shape.duration_s,
        stage='in the cup' if time_s > 0.8 * shape.duration_s else 'grasped')
