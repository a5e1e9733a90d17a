# SPDX-License-Identifier: Apache-2.0
"""What the recorder publishes."""

from __future__ import annotations

from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Header, String

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.diagnostics import diagnostics_message
from cosmos_policy_ros.nodes.episode_recording import EpisodeRecording
from cosmos_policy_ros.nodes.interfaces import RecorderStatusMsg, StreamHealthMsg
from cosmos_policy_ros.nodes.parameters import RecorderNodeParameters
from cosmos_policy_ros.nodes.recorder_settings import free_bytes
from cosmos_policy_ros.recording.health import Judgement
from cosmos_policy_ros.recording.session import Session


class RecorderTopics:
    """Publishers of the recorder node; the figures of the last episode stay until the next."""

    def __init__(self, node: Node) -> None:
        """Advertise the topics."""
        self._node = node
        self._status = node.create_publisher(RecorderStatusMsg, '~/status', qos.STATUS)
        self._cue = node.create_publisher(String, '~/cue', qos.CHUNK)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', qos.DRIVER)
        self._figures: dict[str, object] = {}
        self._looked = (0, 0)

    def say(self, text: str) -> None:
        """Publish what is to be spoken."""
        self._cue.publish(String(data=text))

    def publish_status(
        self, params: RecorderNodeParameters, session: Session,
        recording: EpisodeRecording | None, last_episode: Path | None,
        judgement: Judgement | None, problem: str,
    ) -> None:
        """Publish the status, and its short form on /diagnostics."""
        now = self._node.get_clock().now()
        disk_free_bytes = _known_free_bytes(params.output_directory)
        if recording is not None:
            self._figures = self._measure(recording, now.nanoseconds)
            problem = problem or recording.problem
        episode = str(last_episode or '') if recording is None else str(recording.path)
        verdict = '' if judgement is None else judgement.verdict.value
        self._status.publish(RecorderStatusMsg(
            header=Header(stamp=now.to_msg()), state=session.phase.value, episode=episode,
            task=params.task, operator_name=params.operator_name,
            time_left_s=session.time_left_s(time.monotonic_ns()), batch_size=session.batch_size,
            batch_recorded=session.num_recorded if session.batch_size else 0,
            disk_free_bytes=float(disk_free_bytes), last_verdict=verdict,
            last_reasons=[] if judgement is None else list(judgement.reasons), problem=problem,
            **self._figures))
        self._diagnostics.publish(diagnostics_message(self._node, 'recording', problem, {
            'state': session.phase.value, 'episode': episode, 'last verdict': verdict,
            'disk free [GB]': f'{disk_free_bytes / 1e9:.1f}',
            **{name: self._figures.get(name, 0) for name in ('messages', 'lost', 'byte_rate')}}))

    def _measure(self, recording: EpisodeRecording, now_ns: int) -> dict[str, object]:
        num_bytes = recording.bytes_written
        looked_ns, looked_bytes = max(self._looked, (recording.started_ns, 0))
        self._looked = now_ns, num_bytes
        return {
            'duration_s': (now_ns - recording.started_ns) / 1e9,
            'messages': recording.messages, 'lost': recording.lost, 'bytes': num_bytes,
            'byte_rate': max(0, num_bytes - looked_bytes) * 1e9 / max(now_ns - looked_ns, 1),
            'camera_skew_s': recording.camera_skew_s,
            'streams': [StreamHealthMsg(
                topic=name, messages=stream.messages, rate_hz=stream.rate_hz,
                max_gap_s=stream.max_gap_s, dropped=stream.dropped, latency_s=stream.latency_s)
                for name, stream in recording.look(now_ns).items()]}


def _known_free_bytes(directory: str) -> int:
    """Return the free room in [B]; 0 while the disk does not answer, which is said elsewhere."""
    try:
        return free_bytes(directory)
    except RecordingError:
        return 0
