# SPDX-License-Identifier: Apache-2.0
"""One running episode: its subscriptions, its writers, and how its streams are doing."""

from __future__ import annotations

from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.subscription import Subscription

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.nodes.parameter_snapshot import ParameterSnapshot
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.nodes.published_topics import offered_profile, published_types
from cosmos_policy_ros.nodes.recorded_images import recorded_topic, write_settings
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.nodes.waiting_messages import UnwatchedGroup, waiting_messages
from cosmos_policy_ros.recording.background_writer import BackgroundWriter, WaitingMessage
from cosmos_policy_ros.recording.camera_skew import CameraSkew
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, PARTIAL_SUFFIX
from cosmos_policy_ros.recording.health import EpisodeHealth, HealthLimits, judge, Judgement
from cosmos_policy_ros.recording.health_report import save_health
from cosmos_policy_ros.recording.message_stamp import stamp_of
from cosmos_policy_ros.recording.parameters_file import save_parameters
from cosmos_policy_ros.recording.session_folder import next_name
from cosmos_policy_ros.recording.stream_meter import KINDS, StreamHealth, StreamKind, StreamMeter
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import EpisodeWriter

LOOK_PERIOD_S = 0.02


class _Stream(NamedTuple):
    """One recorded topic: what its messages are, and who hears them."""

    name: str
    type_name: str
    kind: StreamKind
    has_header: bool
    subscription: Subscription


class EpisodeRecording:
    """Streams every message of the wanted topics to disk, as it came.

    The executor's thread calls all methods but `save`, which may take its time on another one.

    Attributes:
        path: Folder that the episode will have once finished.
        started_ns: Time of the start in [ns].
        messages: Messages taken.
        lost: Messages that the disk was too slow for.
    """

    def __init__(
        self, node: Node, params: RecorderNodeParameters, metadata: EpisodeMetadata,
    ) -> None:
        """Begin an episode and subscribe to every wanted topic that has a publisher.

        Raises:
            RecordingError: If the folder cannot be made.
        """
        self._node, self._params = node, params
        directory = Path(params.output_directory)
        self._writer = EpisodeWriter(
            directory, metadata, name=next_name(directory), compression=params.compression)
        self._background = BackgroundWriter(
            self._writer, write_settings(params), on_notice=node.get_logger().warning)
        self.path, self.started_ns = self._writer.path, metadata.started_ns
        self.messages = self.lost = 0
        self._streams: dict[str, _Stream] = {}
        self._unwatched_group = UnwatchedGroup()
        self._recorded: dict[str, str] = {}
        self._meters: dict[str, StreamMeter] = {}
        self._skew = CameraSkew()
        self._problems: dict[str, str] = {}
        self._parameters = ParameterSnapshot(node)
        # A group remembers every timer that it ever had: this one goes with the episode.
        self._timer = steady_timer(node, LOOK_PERIOD_S, self._take_all, ReentrantCallbackGroup())
        self.look_for_topics()

    @property
    def bytes_written(self) -> int:
        """Size of the file so far in [B]."""
        return self._writer.bytes_written

    @property
    def disk_problem(self) -> RecordingError | None:
        """Why nothing is written any more; None while all is well."""
        return self._background.problem

    @property
    def problem(self) -> str:
        """What is wrong with the episode so far; empty when all is well."""
        lost = f'the disk is too slow: {self.lost} messages lost' if self.lost else ''
        return '; '.join([*self._problems.values(), *([lost] if lost else [])])

    @property
    def camera_skew_s(self) -> float:
        """Time between the newest images of the cameras in [s]."""
        return self._skew.newest_s

    def look_for_topics(self) -> None:
        """Subscribe to what has appeared, and notice what has changed its type."""
        wanted_topics = (*self._params.topics, *self._params.optional_topics)
        types = published_types(self._node, wanted_topics)
        for wanted in wanted_topics:
            name = recorded_topic(
                wanted, {topic: kinds[0] for topic, kinds in types.items()},
                self._background.encoding)
            if name is not None and wanted not in self._recorded:
                self._subscribe(wanted, name, types[name][0])
        for name, stream in self._streams.items():
            others = set(types.get(name, ())) - {stream.type_name}
            if others:
                self._problems[name] = (
                    f'{name} is recorded as {stream.type_name} but now published as '
                    f'{", ".join(sorted(others))}, which is not recorded')
        self._parameters.poll()

    def look(self, now_ns: int) -> dict[str, StreamHealth]:
        """Return topic to health at a time in [ns]."""
        return {name: meter.look(now_ns) for name, meter in self._meters.items()}

    def close(self) -> None:
        """Take the messages that came until now, and no more."""
        self._node.destroy_timer(self._timer)
        self._take_all()
        for stream in self._streams.values():
            self._node.destroy_subscription(stream.subscription)
        self._streams = {}
        self._parameters.close()

    def save(
        self, label: EpisodeLabel, *, ended_ns: int, limits: HealthLimits,
    ) -> tuple[Path, Judgement]:
        """Judge the episode and complete it on disk; call `close` before.

        Args:
            label: How the episode ended.
            ended_ns: Time of the end in [ns].
            limits: What is good and usable.

        Returns:
            The episode's folder and the verdict.

        Raises:
            RecordingError: If it holds no message, and is gone; or if the disk refuses, and what
                was written stays in the partial folder.
        """
        self._background.close()
        if not self.messages:
            self._writer.discard()
            raise RecordingError(f'{self.path.name} is discarded: not one message came')
        health = self._health(ended_ns)
        judgement = judge(health, limits)
        partial = self.path.with_name(self.path.name + PARTIAL_SUFFIX)
        save_health(partial, health, limits, judgement)
        save_parameters(partial, self._parameters.values)
        return self._writer.finish(label, ended_ns=ended_ns), judgement

    def discard(self) -> None:
        """Delete the episode.

        Raises:
            RecordingError: If it cannot be deleted.
        """
        self.close()
        try:
            self._background.close()
        except RecordingError as error:
            self._node.get_logger().warning(f'the disk had refused what is discarded: {error}')
        self._writer.discard()

    def _health(self, ended_ns: int) -> EpisodeHealth:
        return EpisodeHealth(
            duration_s=(ended_ns - self.started_ns) / 1e9, bytes=self.bytes_written,
            lost=self.lost, camera_skew_s=self._skew.usual_s,
            streams={name: meter.sum_up(ended_ns) for name, meter in self._meters.items()},
            required=tuple(self._recorded.get(name, name) for name in self._params.topics),
            problems=tuple(self._problems.values()))

    def _subscribe(self, wanted: str, name: str, type_name: str) -> None:
        profile = offered_profile(self._node, name)
        self._recorded[wanted] = name
        try:
            message_type = _message_type(type_name)
            self._background.add_topic(Topic(name=name, type_name=type_name, qos=TopicQos(
                reliability=profile.reliability.short_key,
                durability=profile.durability.short_key, depth=profile.depth)))
        except RecordingError as error:
            self._problems[name] = str(error)
            return
        kind = KINDS.get(type_name, StreamKind.OTHER)
        if kind is StreamKind.IMAGE:
            self._skew.add(name)
        self._meters[name] = StreamMeter(self._now_ns(), kind)
        self._streams[name] = _Stream(
            name, type_name, kind, _has_header(message_type), self._node.create_subscription(
                message_type, name, _never, profile, raw=True,
                callback_group=self._unwatched_group))

    def _take_all(self) -> None:
        came = [(self._received_ns(info), stream, data, info) for stream in self._streams.values()
                for data, info in waiting_messages(stream.subscription)]
        for message in sorted(came, key=itemgetter(0)):
            self._take(*message)

    def _take(
        self, received_ns: int, stream: _Stream, data: bytes, info: dict[str, int],
    ) -> None:
        is_taken = self._background.put(WaitingMessage(
            topic_name=stream.name, data=data, log_time_ns=received_ns,
            publish_time_ns=info.get('source_timestamp') or received_ns))
        if not is_taken:
            self.lost += 1
            return
        self.messages += 1
        stamp_ns = stamp_of(data) if stream.has_header else None
        self._meters[stream.name].count(received_ns, stamp_ns)
        if stream.kind is StreamKind.IMAGE and stamp_ns is not None:
            self._skew.update(stream.name, stamp_ns)

    def _received_ns(self, info: dict[str, int]) -> int:
        """Return when a message came; the middleware knows the system's time only."""
        received_ns = info.get('received_timestamp')
        if not received_ns or self._node.get_clock().ros_time_is_active:
            return self._now_ns()
        return received_ns

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds


def _never(data: bytes) -> None:
    """What a subscription that nobody watches calls back."""


def _message_type(type_name: str) -> type:
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise RecordingError(f'message type {type_name} is not installed: {error}') from error


def _has_header(message_type: type) -> bool:
    return next(iter(message_type.get_fields_and_field_types().values()), '') == 'std_msgs/Header'
