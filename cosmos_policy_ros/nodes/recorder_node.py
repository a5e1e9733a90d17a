# SPDX-License-Identifier: Apache-2.0
"""The node that streams every message of an episode to disk, as it came, and labels it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
import shutil

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from cosmos_policy_ros import __version__
from cosmos_policy_ros.errors import ConfigurationError, RecordingError
from cosmos_policy_ros.nodes import lifecycle, qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.interfaces import (
    LabelEpisode, RecorderStatusMsg, StreamHealthMsg)
from cosmos_policy_ros.nodes.parameters import declare, RecorderNodeParameters, updated
from cosmos_policy_ros.nodes.waiting import wait_until
from cosmos_policy_ros.recording.background_writer import BackgroundWriter, WaitingMessage
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata, relabel
from cosmos_policy_ros.recording.stream_meter import StreamMeter
from cosmos_policy_ros.recording.topic import Topic, TopicQos
from cosmos_policy_ros.recording.writer import EpisodeWriter

STATUS_PERIOD_S = 1.0
# Half a second of the fastest stream may wait in the middleware, seconds of images for the disk.
SUBSCRIPTION_DEPTH = 50
MAX_WAITING_BYTES = 200 * 10**6


class RecorderNode(Node):
    """Record serialized messages to one MCAP episode at a time.

    Subscriptions: the topics of `topics` and `optional_topics`, with the reliability and
    durability that their publishers offer, only while recording.
    Publications: `~/status` RecorderStatus (latched), `/diagnostics`.
    Services: `~/start`, `~/stop` std_srvs/Trigger; `~/label` LabelEpisode for the running or last
    episode. Parameters: `RecorderNodeParameters`.
    """

    def __init__(self, **node_options: object) -> None:
        """Declare parameters and services; nothing is recorded before `~/start`."""
        super().__init__('recorder_node', **node_options)
        self._params = declare(self, RecorderNodeParameters)
        self._writer: EpisodeWriter | None = None
        self._background: BackgroundWriter | None = None
        self._label = EpisodeLabel()
        self._last_episode: Path | None = None
        self._subscribed: dict[str, Subscription] = {}
        self._meters: dict[str, StreamMeter] = {}
        self._problem = ''
        self._started_ns = self._ended_ns = self._messages = self._lost = self._bytes = 0
        self._status = self.create_publisher(RecorderStatusMsg, '~/status', qos.STATUS)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)
        self._waiting_group = ReentrantCallbackGroup()
        self.create_service(
            Trigger, '~/start', self._on_start, callback_group=self._waiting_group)
        self.create_service(Trigger, '~/stop', self._on_stop)
        self.create_service(LabelEpisode, '~/label', self._on_label)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_timer(STATUS_PERIOD_S, self._on_status_timer)
        self._publish_status()

    def destroy_node(self) -> None:
        """Finish the running episode, then destroy the node."""
        if self._writer is not None:
            self._finish()
        super().destroy_node()

    async def _on_start(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        await wait_until(self, lambda: not self._absent_topics(), group=self._waiting_group,
                         timeout_s=self._params.discovery_timeout_s)
        try:
            self._start()
        except RecordingError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, str(self._writer.path)
        self._publish_status()
        return response

    def _start(self) -> None:
        if self._writer is not None:
            raise RecordingError(f'already recording {self._writer.path}')
        absent = self._absent_topics()
        if absent:
            raise RecordingError(
                f'nobody publishes {", ".join(absent)}; every episode must hold '
                f'{", ".join(self._params.topics)}')
        self._check_disk()
        self._started_ns = self._now_ns()
        self._writer = EpisodeWriter(Path(self._params.output_directory), EpisodeMetadata(
            task=self._params.task, robot=self._params.robot, mode=self._params.mode,
            checkpoint=self._params.checkpoint, software_version=__version__,
            started_ns=self._started_ns), compression=self._params.compression)
        self._background = BackgroundWriter(self._writer, max_waiting_bytes=MAX_WAITING_BYTES)
        self._label, self._problem, self._meters = EpisodeLabel(), '', {}
        self._messages = self._lost = 0
        self._subscribe_to_present_topics()

    def _absent_topics(self) -> list[str]:
        types = self._topic_types()
        return [name for name in self._params.topics if name not in types]

    def _check_disk(self) -> None:
        free = self._free_bytes()
        if free < self._params.min_free_bytes:
            raise RecordingError(
                f'{self._params.output_directory} has {free / 1e9:.1f} GB free; '
                f'min_free_bytes asks for {self._params.min_free_bytes / 1e9:.1f} GB')

    def _free_bytes(self) -> int:
        path = Path(self._params.output_directory).absolute()
        return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free

    def _topic_types(self) -> dict[str, str]:
        return {name: types[0] for name, types in self.get_topic_names_and_types()
                if self.count_publishers(name)}

    def _subscribe_to_present_topics(self) -> None:
        types = self._topic_types()
        for name in (*self._params.topics, *self._params.optional_topics):
            if name in types and name not in self._subscribed:
                self._subscribe(name, types[name])

    def _subscribe(self, name: str, type_name: str) -> None:
        profile = self._offered_profile(name)
        try:
            message_type = _message_type(type_name)
            self._writer.add_topic(Topic(name=name, type_name=type_name, qos=TopicQos(
                reliability=profile.reliability.short_key,
                durability=profile.durability.short_key, depth=profile.depth)))
        except RecordingError as error:
            self._report(str(error))
            return
        self._meters[name] = StreamMeter(self._now_ns())
        self._subscribed[name] = self.create_subscription(
            message_type, name, partial(self._on_message, name), profile, raw=True)

    def _offered_profile(self, name: str) -> QoSProfile:
        """Return the strictest profile that matches every publisher."""
        offers = [info.qos_profile for info in self.get_publishers_info_by_topic(name)]
        is_reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
        is_latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=SUBSCRIPTION_DEPTH,
            reliability=(ReliabilityPolicy.RELIABLE if is_reliable
                         else ReliabilityPolicy.BEST_EFFORT),
            durability=(DurabilityPolicy.TRANSIENT_LOCAL if is_latched
                        else DurabilityPolicy.VOLATILE))

    def _on_message(self, name: str, data: bytes, info: dict[str, int]) -> None:
        if self._writer is None:
            return
        now_ns = self._now_ns()
        is_taken = self._background.put(WaitingMessage(
            topic_name=name, data=data, log_time_ns=now_ns,
            publish_time_ns=info.get('source_timestamp') or now_ns))
        if is_taken:
            self._messages += 1
            self._meters[name].count(now_ns)
        elif self._background.problem is not None:
            self._abandon(str(self._background.problem))
        else:
            self._lost += 1
            self._report(f'the disk is too slow: {self._lost} messages lost')

    def _abandon(self, problem: str) -> None:
        """Stop after the disk refused; what was written stays in the partial folder."""
        self._unsubscribe()
        self._writer = None
        self._ended_ns = self._now_ns()
        self._report(problem)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._writer is None:
            response.message = 'nothing is being recorded'
            return response
        response.success, response.message = self._finish()
        self._publish_status()
        return response

    def _finish(self) -> tuple[bool, str]:
        self._unsubscribe()
        writer, self._writer = self._writer, None
        self._ended_ns = self._now_ns()
        try:
            self._background.close()
            self._last_episode = writer.finish(self._label, ended_ns=self._ended_ns)
        except RecordingError as error:
            self._report(str(error))
            return False, str(error)
        self._bytes = writer.bytes_written
        self.get_logger().info(f'episode {self._last_episode} is complete')
        return True, str(self._last_episode)

    def _unsubscribe(self) -> None:
        for subscription in self._subscribed.values():
            self.destroy_subscription(subscription)
        self._subscribed = {}

    def _on_label(
        self, request: LabelEpisode.Request, response: LabelEpisode.Response,
    ) -> LabelEpisode.Response:
        try:
            label = EpisodeLabel(
                outcome=request.outcome, score=request.score, note=request.note)
            response.message = self._apply_label(label)
        except RecordingError as error:
            response.success, response.message = False, str(error)
        else:
            response.success = True
        return response

    def _apply_label(self, label: EpisodeLabel) -> str:
        if self._writer is not None:
            self._label = label
            return f'{self._writer.path} will be labelled {label.outcome.value}'
        if self._last_episode is None:
            raise RecordingError('no episode to label: none was recorded since the node started')
        relabel(self._last_episode, label)
        return f'{self._last_episode} is labelled {label.outcome.value}'

    def _on_status_timer(self) -> None:
        if self._writer is not None:
            self._subscribe_to_present_topics()
        self._publish_status()

    def _publish_status(self) -> None:
        now_ns = self._now_ns()
        writer = self._writer
        episode = writer.path if writer is not None else self._last_episode
        self._bytes = writer.bytes_written if writer is not None else self._bytes
        end_ns = now_ns if writer is not None else self._ended_ns
        state = 'recording' if writer is not None else 'idle'
        health = {name: meter.look(now_ns) for name, meter in self._meters.items()}
        self._status.publish(RecorderStatusMsg(
            header=Header(stamp=self.get_clock().now().to_msg()), state=state,
            episode=str(episode or ''), task=self._params.task, messages=self._messages,
            duration_s=(end_ns - self._started_ns) / 1e9, bytes=self._bytes,
            disk_free_bytes=float(self._free_bytes()), problem=self._problem,
            streams=[StreamHealthMsg(
                topic=name, messages=stream.messages, rate_hz=stream.rate_hz,
                max_gap_s=stream.max_gap_s) for name, stream in health.items()]))
        self._diagnostics.publish(diagnostics_message(self, 'recording', self._problem, {
            'state': state, 'episode': episode, 'messages': self._messages}))

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self.get_logger().error(problem)
        self._problem = problem

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            self._params = updated(self._params, changes)
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _message_type(type_name: str) -> type:
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise RecordingError(f'message type {type_name} is not installed: {error}') from error


def main() -> int:
    """Run the node until it is interrupted."""
    # Recording has a queue to wait in; control has not.
    return lifecycle.run(RecorderNode, niceness=5)


if __name__ == '__main__':
    raise SystemExit(main())
