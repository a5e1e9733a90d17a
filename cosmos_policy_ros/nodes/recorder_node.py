# SPDX-License-Identifier: Apache-2.0
"""The node that streams every message of an episode to disk, as it came, judges and labels it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
import time

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from cosmos_policy_ros.errors import ConfigurationError, RecordingError
from cosmos_policy_ros.nodes import lifecycle
from cosmos_policy_ros.nodes.batch_server import BatchServer
from cosmos_policy_ros.nodes.episode_metadata import EpisodeDescriber
from cosmos_policy_ros.nodes.episode_recording import EpisodeRecording
from cosmos_policy_ros.nodes.interfaces import LabelEpisode
from cosmos_policy_ros.nodes.parameter_declaration import declare, updated
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.nodes.published_topics import absent_topics, require_topics
from cosmos_policy_ros.nodes.recorder_settings import free_bytes, health_limits
from cosmos_policy_ros.nodes.recorder_topics import RecorderTopics
from cosmos_policy_ros.nodes.start_cues import GestureWatch, Pedal
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.nodes.waiting import wait_until
from cosmos_policy_ros.recording.cues import cue
from cosmos_policy_ros.recording.disk_budget import DiskBudget
from cosmos_policy_ros.recording.episode import EpisodeLabel, relabel, USUAL_SCORES
from cosmos_policy_ros.recording.health import Judgement, Verdict
from cosmos_policy_ros.recording.session import Deed, Phase, Session
from cosmos_policy_ros.recording.session_folder import set_aside
from cosmos_policy_ros.recording.session_plan import SessionPlan
from cosmos_policy_ros.spec.aloha import robot_spec
from cosmos_policy_ros.spec.leader import leader_specs

STATUS_PERIOD_S = 1.0
TICK_PERIOD_S = 0.05
SAVE_TIMEOUT_S = 600.0


class RecorderNode(Node):
    """Record serialized messages to one MCAP episode at a time, alone or in batches.

    Subscriptions: the topics of `topics` and `optional_topics`, with the reliability and
    durability that their publishers offer, only while recording; `pedal` (starts and stops) and
    `pedal_discard` (discards, or sets the last aside to record it again) std_msgs/Bool, rising
    edge; `<leader>/joint_states` where the gripper gesture is wanted.
    Publications: `~/status` RecorderStatus (latched), `~/cue` std_msgs/String (what to say aloud
    at every change), `/diagnostics`.
    Services: `~/start`, `~/stop`, `~/discard`, `~/re_record`, `~/end_batch` std_srvs/Trigger;
    `~/begin_batch` BeginBatch; `~/label` LabelEpisode for the running or last episode.
    Action: `~/record_batch` RecordBatch. Parameters: `RecorderNodeParameters`.
    """

    def __init__(self, **node_options: object) -> None:
        """Declare parameters and services; nothing is recorded before a start."""
        super().__init__('recorder_node', **node_options)
        self._params = declare(self, RecorderNodeParameters)
        self._limits = health_limits(self._params)
        self._session, self._budget = Session(), DiskBudget()
        self._describer = EpisodeDescriber(self)
        self._recording: EpisodeRecording | None = None
        self._save: Future[tuple[Path, Judgement]] | None = None
        self._saver = ThreadPoolExecutor(max_workers=1, thread_name_prefix='saver')
        self._label = EpisodeLabel()
        self._last_episode: Path | None = None
        self._judgement: Judgement | None = None
        self._problem, self._phase, self._ended_ns = '', Phase.IDLE, 0
        self._waiting_group = ReentrantCallbackGroup()
        self._topics = RecorderTopics(self)
        self._connect()
        self._publish_status()

    def destroy_node(self) -> None:
        """Finish the running episode, then destroy the node."""
        if self._session.phase is Phase.RECORDING:
            self._perform(self._session.stop(time.monotonic_ns()))
        if self._save is not None:
            self._take_note_of_save()
        self._saver.shutdown()
        super().destroy_node()

    def _connect(self) -> None:
        for name, callback in (
                ('start', self._on_start), ('stop', self._on_stop), ('discard', self._on_discard),
                ('re_record', self._on_re_record), ('end_batch', self._on_end_batch)):
            self.create_service(
                Trigger, f'~/{name}', callback, callback_group=self._waiting_group)
        self.create_service(LabelEpisode, '~/label', self._on_label)
        self._batches = BatchServer(
            self, self._session, begin=self.begin_batch, end=self.end_batch,
            group=self._waiting_group)
        Pedal(self, 'pedal', self._on_pedal)
        Pedal(self, 'pedal_discard', self._on_pedal_discard)
        for hold_s, callback in ((self._params.gesture_hold_s, self._on_start_gesture),
                                 (self._params.gesture_stop_s, self._on_stop_gesture)):
            if hold_s:
                GestureWatch(self, leader_specs(robot_spec(self._params.robot)), hold_s=hold_s,
                             on_gesture=callback)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        steady_timer(self, STATUS_PERIOD_S, self._on_status_timer)
        steady_timer(self, TICK_PERIOD_S, self._on_tick)

    async def _on_start(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        await wait_until(
            self, lambda: not absent_topics(self, self._params),
            timeout_s=self._params.discovery_timeout_s)
        return self._answer(response, self._start)

    async def _on_stop(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        episode = self._recording.path if self._recording is not None else 'the warm-up'
        self._answer(response, lambda: self._do(self._session.stop) or f'{episode} is stopped')
        if response.success and self._save is not None:
            await wait_until(self, lambda: self._save is None, timeout_s=SAVE_TIMEOUT_S)
            response.success = self._last_episode == episode
            response.message = str(episode) if response.success else (
                self._problem or f'{episode} is bad and set aside, to be recorded again')
        return response

    def _on_discard(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        return self._answer(
            response, lambda: self._do(self._session.discard) or 'the episode is discarded')

    def _on_re_record(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        return self._answer(response, lambda: self._do(self._session.re_record)
                            or 'ready to record the episode again')

    def _on_end_batch(
        self, request: Trigger.Request, response: Trigger.Response,
    ) -> Trigger.Response:
        return self._answer(response, lambda: self.end_batch() or 'the batch ends')

    def _on_label(
        self, request: LabelEpisode.Request, response: LabelEpisode.Response,
    ) -> LabelEpisode.Response:
        # A message cannot leave a number out: 0 is what stands there if nobody gave a score.
        return self._answer(response, lambda: self._apply_label(EpisodeLabel(
            outcome=request.outcome, note=request.note,
            score=request.score or USUAL_SCORES.get(request.outcome))))

    def begin_batch(self, plan: SessionPlan) -> None:
        """Begin a batch.

        Raises:
            RecordingError: If something is being recorded, or the first episode cannot begin.
        """
        self._perform(self._session.begin(plan, time.monotonic_ns()))
        self._announce()

    def end_batch(self) -> None:
        """End the batch after the running episode.

        Raises:
            RecordingError: If none is running.
        """
        self._do(self._session.end)

    def _answer(self, response: object, do: Callable[[], str]) -> object:
        """Fill a response by what was done, or why it was not."""
        try:
            response.message = do()
        except RecordingError as error:
            response.success, response.message = False, str(error)
        else:
            response.success = True
        self._announce()
        return response

    def _take_start_cue(self, now_ns: int) -> Deed:
        return self._session.start(now_ns, SessionPlan(
            episode_s=self._params.episode_s, warm_up_s=self._params.warm_up_s))

    def _start(self) -> str:
        self._do(self._take_start_cue)
        return str(self._recording.path) if self._recording is not None else 'get ready'

    def _do(self, event: Callable[[int], Deed]) -> None:
        # Time that a clock which is set does not change: sessions only measure it.
        self._perform(event(time.monotonic_ns()))

    def _perform(self, deed: Deed) -> None:
        """Do what the session decided.

        Raises:
            RecordingError: If that did not work; the session knows.
        """
        if deed is Deed.OPEN:
            self._open()
        elif deed is Deed.SAVE:
            self._recording.close()
            self._ended_ns = self._now_ns()
            self._save = self._saver.submit(
                self._recording.save, self._label, ended_ns=self._ended_ns, limits=self._limits)
        elif deed is Deed.DISCARD:
            recording, self._recording = self._recording, None
            # A label that comes now is meant for the one that is gone.
            self._last_episode = None
            recording.discard()
        elif deed is Deed.SET_ASIDE:
            try:
                moved = set_aside(self._last_episode)
            except RecordingError:
                self._session.not_set_aside()
                raise
            self._batches.note_set_aside(self._last_episode)
            self._last_episode = None
            self.get_logger().info(f'to be recorded again: {moved}')

    def _open(self) -> None:
        self._problem = ''
        try:
            require_topics(self, self._params)
            self._budget.require(
                self._params.output_directory, kept_bytes=self._params.min_free_bytes,
                free_bytes=free_bytes(self._params.output_directory),
                needed_bytes=self._budget.needed_bytes(
                    self._session.plan.episode_s,
                    estimated_rate=self._params.estimated_byte_rate))
            self._recording = EpisodeRecording(
                self, self._params, self._describer.describe(self._params, self._now_ns()))
        except RecordingError:
            self._last_episode = None
            self._session.failed(time.monotonic_ns())
            raise
        self._label = EpisodeLabel(outcome=self._params.default_outcome)

    def _on_tick(self) -> None:
        if self._save is not None and self._save.done():
            self._take_note_of_save()
        if self._session.phase is Phase.RECORDING and self._recording.disk_problem is not None:
            self._abandon(str(self._recording.disk_problem))
        self._try(self._session.tick)
        self._announce()

    def _take_note_of_save(self) -> None:
        recording, self._recording = self._recording, None
        save, self._save = self._save, None
        try:
            self._last_episode, self._judgement = save.result()
        except RecordingError as error:
            self._last_episode = None
            self._session.failed(time.monotonic_ns())
            self._report(str(error))
            return
        self._budget.learn(recording.bytes_written,
                           (self._ended_ns - recording.started_ns) / 1e9)
        self._batches.note_saved(self._last_episode, self._judgement)
        self.get_logger().info(
            f'episode {self._last_episode} is complete: {self._judgement.verdict.value} '
            f'{"; ".join(self._judgement.reasons)}')
        is_bad = self._judgement.verdict is Verdict.BAD
        self._try(lambda now_ns: self._session.saved(now_ns, is_bad=is_bad))

    def _abandon(self, problem: str) -> None:
        """Stop after the disk refused; what was written stays in the partial folder."""
        recording, self._recording = self._recording, None
        recording.close()
        self._last_episode = None
        self._session.failed(time.monotonic_ns())
        self._report(problem)

    def _try(self, event: Callable[[int], Deed]) -> None:
        """Do what nobody waits for the answer of."""
        try:
            self._do(event)
        except RecordingError as error:
            self._report(str(error))
        self._announce()

    def _on_pedal(self) -> None:
        is_running = self._session.phase in (Phase.WARM_UP, Phase.RECORDING)
        self._try(self._session.stop if is_running else self._take_start_cue)

    def _on_pedal_discard(self) -> None:
        self._try(self._session.re_record)

    def _on_start_gesture(self) -> None:
        if self._session.phase is Phase.WAITING:
            self._try(self._session.start)

    def _on_stop_gesture(self) -> None:
        if self._session.phase is Phase.RECORDING:
            self._try(self._session.stop)

    def _apply_label(self, label: EpisodeLabel) -> str:
        if self._save is not None:
            raise RecordingError(f'{self._recording.path} is being saved; label it once it is')
        if self._recording is not None:
            self._label = label
            return f'{self._recording.path} will be labelled {label.outcome.value}'
        if self._last_episode is None:
            raise RecordingError('no episode to label: none was recorded since the node started, '
                                 'or the last one is gone')
        relabel(self._last_episode, label)
        return f'{self._last_episode} is labelled {label.outcome.value}'

    def _on_status_timer(self) -> None:
        if self._session.phase is Phase.RECORDING:
            self._recording.look_for_topics()
            try:
                free = free_bytes(self._params.output_directory)
            except RecordingError as error:
                # The file that is being written may be none the worse.
                self._report(str(error))
                free = self._params.min_free_bytes
            if free < self._params.min_free_bytes:
                self._try(self._session.stop)
                self._report('the episode was ended: less disk is free than min_free_bytes, '
                             f'{self._params.min_free_bytes / 1e9:.1f} GB')
        self._publish_status()

    def _announce(self) -> None:
        """Publish status and cue when the phase has changed."""
        if self._session.phase is self._phase:
            return
        self._phase = self._session.phase
        self._topics.say(cue(self._session, self._judgement))
        self._publish_status()

    def _publish_status(self) -> None:
        self._topics.publish_status(
            self._params, self._session, self._recording, self._last_episode, self._judgement,
            self._problem)

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self.get_logger().error(problem)
            self._topics.say(problem)
        self._problem = problem

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            params = updated(self._params, changes)
            self._limits = health_limits(params)
        except ConfigurationError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._params = params
        return SetParametersResult(successful=True)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node until it is interrupted."""
    # Recording has a queue to wait in; control has not.
    return lifecycle.run(RecorderNode, niceness=5)


if __name__ == '__main__':
    raise SystemExit(main())
