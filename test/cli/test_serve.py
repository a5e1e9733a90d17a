# SPDX-License-Identifier: Apache-2.0
"""The command `serve` as a process of its own, asked from this one."""

from http.client import HTTPConnection
import os
from queue import Queue
import re
import signal
import socket
import subprocess
import sys
from threading import Thread
import time

import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.remote.client import RemotePolicy
from cosmos_policy_ros.policy.remote.json_codec import decode_json, encode_json

DEADLINE_S = 60.0
COMMAND = 'import sys, tyro; from cosmos_policy_ros.cli.serve import serve; sys.exit(' \
          'tyro.cli(serve))'


class ServeProcess:
    """Context manager that runs the command until it listens.

    Args:
        *options: Command-line options.
        **environment: Additional environment variables.
    """

    def __init__(self, *options: str, **environment: str) -> None:
        self._command = [sys.executable, '-c', COMMAND, *options]
        self._environment = {**os.environ, 'PYTHONUNBUFFERED': '1', 'COLUMNS': '200',
                             **environment}
        self._lines: Queue[str] = Queue()
        self.output = ''

    def __enter__(self):
        self.process = subprocess.Popen(
            self._command, env=self._environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.wait()
        self.process.stdout.close()

    def port(self) -> int:
        """Port that it listens on, as soon as it does."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            line = self._lines.get(timeout=DEADLINE_S)
            if match := re.search(r'listening on ws://.*:(\d+)', line):
                return int(match[1])
        raise AssertionError(f'it does not listen: {self.output}')

    def wait(self) -> int:
        """Wait for the end; returns the exit status."""
        status = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status

    def _read(self):
        for line in self.process.stdout:
            self.output += line
            self._lines.put(line)
        self._lines.put('')


def connect(port, **options):
    """Connect to a server of this machine."""
    return RemotePolicy(f'127.0.0.1:{port}', connect_timeout_s=DEADLINE_S,
                        **{'timeout_s': DEADLINE_S, **options})


def free_port():
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


@pytest.fixture(scope='module')
def server():
    """One server for the tests that do not end it."""
    with ServeProcess('--port', '0', '--device', 'cpu',
                      COSMOS_POLICY_TOKEN='geheim') as process:
        yield process, process.port()


def test_another_process_gives_the_very_chunk_of_this_one(server, synthetic_observation):
    local = CosmosPolicy.load('aloha_small')
    remote = connect(server[1], token='geheim')
    assert (remote.name, remote.is_trained, remote.camera_names) == (
        local.name, local.is_trained, local.camera_names)
    for seed in (0, 195):
        observation = synthetic_observation(seed)
        here = local.predict(observation, seed, with_future_images=True)
        there = remote.predict(observation, seed, with_future_images=True)
        np.testing.assert_array_equal(there.chunk.positions, here.chunk.positions)
        assert there.value == here.value
        assert set(there.future_images) == set(here.future_images)
    remote.close()


def test_a_client_of_the_reference_gets_fifty_actions(server, synthetic_observation):
    images = synthetic_observation().images
    connection = HTTPConnection('127.0.0.1', server[1], timeout=DEADLINE_S)
    connection.request('POST', '/act', encode_json({
        'primary_image': images['cam_high'], 'left_wrist_image': images['cam_left_wrist'],
        'right_wrist_image': images['cam_right_wrist'],
        'proprio': synthetic_observation().proprio, 'task_description': 'transfer the cube',
    }), {'Authorization': 'Api-Key geheim', 'Content-Type': 'application/json'})
    response = connection.getresponse()
    reply = decode_json(response.read())
    connection.close()
    assert response.status == 200 and len(reply['actions']) == 50
    assert 0 <= reply['value_prediction'] == reply['value_predictions'] <= 1


def test_the_token_of_the_environment_is_wanted(server):
    with pytest.raises(ConfigurationError, match='refuses the token'):
        connect(server[1])


def test_the_output_says_what_happens(server):
    connect(server[1], token='geheim').close()
    for text in ('loading aloha_small on cpu', 'ready: aloha_small on cpu',
                 '127.0.0.1 connected'):
        assert text in server[0].output
    assert 'warning' not in server[0].output and 'geheim' not in server[0].output


def test_a_server_killed_during_a_query_and_started_again_answers_the_next(
        synthetic_observation):
    port = free_port()
    observation = synthetic_observation()
    with ServeProcess('--port', str(port), '--device', 'cpu') as first:
        assert first.port() == port
        policy = connect(port)
        expected = policy.predict(observation, 1)
        killer = Thread(target=lambda: (time.sleep(0.5), first.process.kill()))
        killer.start()
        with pytest.raises(PredictionError, match='no policy server answers'):
            # Takes far longer than the killer waits.
            policy.predict(observation, 1, num_denoising_steps=100)
        killer.join()
    with ServeProcess('--port', str(port), '--device', 'cpu') as second:
        assert second.port() == port
        again = policy.predict(observation, 1)
        np.testing.assert_array_equal(again.chunk.positions, expected.chunk.positions)
        policy.close()
        second.process.send_signal(signal.SIGINT)
        assert second.wait() == 0
        assert 'stopped' in second.output


def test_a_port_that_is_taken_is_a_clear_error(server):
    with ServeProcess('--port', str(server[1])) as second:
        assert second.wait() != 0
    assert f'cannot listen on 127.0.0.1:{server[1]}' in second.output
    assert 'importing' not in second.output


def test_listening_for_everybody_without_a_token_is_warned_about():
    with ServeProcess('--port', '0', '--host', '0.0.0.0') as process:
        process.port()
        assert 'everybody who reaches 0.0.0.0' in process.output


def test_a_checkpoint_that_does_not_exist_ends_the_command_with_its_name():
    with ServeProcess('--port', '0', '--checkpoint', 'no_such_model') as process:
        assert process.wait() != 0
    assert 'no_such_model' in process.output
