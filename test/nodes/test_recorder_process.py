# SPDX-License-Identifier: Apache-2.0
"""recorder_node as a process that is told to end, or killed, while it records."""

from contextlib import suppress
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.interfaces import BeginBatch, RecorderStatusMsg
from cosmos_policy_ros.recording.episode import load_metadata, Outcome
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.recover import recover, RECOVERED_NOTE
from cosmos_policy_ros.recording.writer import next_episode_name

JOINTS = '/follower_left/joint_states'
TIMEOUT_S = 180.0


class Process:
    """A recorder_node of its own process group, with somebody who publishes joint states."""

    def __init__(self, ros, folder):
        self._ros, self._node = ros, ros.node()
        self.folder = folder
        self._publisher = self._node.create_publisher(JointState, JOINTS, qos.DRIVER)
        self._statuses = ros.collect(
            self._node, RecorderStatusMsg, '/recorder_node/status', qos.STATUS)
        values = {'output_directory': folder, 'topics': [JOINTS], 'optional_topics': ['/rosout'],
                  'min_free_bytes': 0, 'task': 'wave', 'gesture_hold_s': 0.0}
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'cosmos_policy_ros.nodes.recorder_node', '--ros-args',
             *(part for name, value in values.items() for part in ('-p', f'{name}:={value}'))],
            env={**os.environ, 'ROS_DOMAIN_ID': str(ros.domain_id)}, text=True,
            stderr=subprocess.PIPE, start_new_session=True)

    def trigger(self, name):
        """Call a service of the recorder."""
        answer = self._ros.call(self._node, Trigger, f'/recorder_node/{name}', Trigger.Request(),
                                TIMEOUT_S)
        assert answer.success, answer.message

    def begin_batch(self):
        """Begin a batch that waits for a cue."""
        answer = self._ros.call(
            self._node, BeginBatch, '/recorder_node/begin_batch',
            BeginBatch.Request(num_episodes=3, episode_s=100.0), TIMEOUT_S)
        assert answer.success, answer.message

    def record(self, messages):
        """Start an episode and publish until it holds some messages."""
        self.trigger('start')

        def has_them():
            self._publisher.publish(JointState(name=['waist'], position=[0.0]))
            return bool(self._statuses) and (
                self._statuses[-1].state, self._statuses[-1].messages >= messages) == (
                    'recording', True)
        self._ros.spin_until(has_them, f'{messages} messages', TIMEOUT_S)

    def end(self, *signals):
        """Send signals to the process group, as a terminal does, and return the exit status."""
        for number in signals:
            os.killpg(self._process.pid, number)
        _, self.errors = self._process.communicate(timeout=TIMEOUT_S)
        return self._process.returncode

    def close(self):
        """Kill what still runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def recorder(ros, tmp_path):
    """A recorder that has finished one episode."""
    process = Process(ros, tmp_path)
    process.record(3)
    process.trigger('stop')
    yield process
    process.close()


def content(folder: Path) -> dict:
    """Return the bytes of every file of an episode."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize('signals', [
    (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)], ids=['SIGTERM', 'Ctrl-C and its echo'])
def test_told_to_end_it_finishes_the_running_episode(recorder, signals):
    before = content(recorder.folder / 'episode_000000')
    recorder.record(40)
    assert recorder.end(*signals) == 0, recorder.errors
    assert sorted(path.name for path in recorder.folder.iterdir()) == [
        'episode_000000', 'episode_000001']
    episode = EpisodeReader(recorder.folder / 'episode_000001')
    assert episode.topics[JOINTS].count >= 40
    assert episode.metadata.ended_ns > episode.metadata.started_ns
    assert episode.metadata.label.outcome is Outcome.UNLABELLED
    assert content(recorder.folder / 'episode_000000') == before
    assert 'episode_000001 is complete' in recorder.errors


def test_told_to_end_while_a_batch_waits_it_leaves_no_episode(recorder):
    before = content(recorder.folder / 'episode_000000')
    recorder.begin_batch()
    assert recorder.end(signal.SIGINT) == 0, recorder.errors
    assert [path.name for path in recorder.folder.iterdir()] == ['episode_000000']
    assert content(recorder.folder / 'episode_000000') == before


def test_killed_it_leaves_what_recover_completes_and_a_name_that_is_not_used_again(recorder):
    before = content(recorder.folder / 'episode_000000')
    recorder.record(200)
    assert recorder.end(signal.SIGKILL) == -signal.SIGKILL
    assert sorted(path.name for path in recorder.folder.iterdir()) == [
        'episode_000000', 'episode_000001.partial']
    assert next_episode_name(recorder.folder) == 'episode_000002'
    assert recover(recorder.folder / 'episode_000001.partial').messages > 0
    assert sorted(path.name for path in recorder.folder.iterdir()) == [
        'episode_000000', 'episode_000001']
    assert load_metadata(recorder.folder / 'episode_000001').label.note == RECOVERED_NOTE
    assert content(recorder.folder / 'episode_000000') == before
