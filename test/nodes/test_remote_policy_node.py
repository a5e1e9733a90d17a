# SPDX-License-Identifier: Apache-2.0
"""policy_node with its model in another process, over a real socket."""

import os
import signal
import subprocess
import sys
import time

import pytest
from test_policy_node import Robot

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.interfaces import ActionChunkMsg, PolicyStatusMsg
from cosmos_policy_ros.nodes.policy_node import PolicyNode

pytest.importorskip('aiohttp')
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server():
    """A model server in a process of its own, on a free port."""
    process = start_server(0)
    yield process
    process.kill()


def start_server(port):
    """Start a server and wait until it says where it listens."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'cosmos_policy_ros.cli.main', 'serve', '--port', str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, 'COLUMNS': '200', 'PYTHONUNBUFFERED': '1'})
    process.lines = []
    deadline = time.monotonic() + 60
    while not any('127.0.0.1:' in line for line in process.lines):
        assert time.monotonic() < deadline and process.poll() is None, process.lines
        process.lines.append(process.stdout.readline())
    return process


def port_of(process):
    """Return the port that a server printed."""
    line = next(line for line in process.lines if '127.0.0.1:' in line)
    return int(''.join(filter(str.isdigit, line.split('127.0.0.1:')[1].split()[0].split('/')[0])))


def test_a_remote_model_drives_the_node_and_its_death_is_told_and_survived(ros, server):
    port = port_of(server)
    robot = Robot(ros)
    chunks = ros.collect(robot.node, ActionChunkMsg, '/policy_node/action_chunk')
    statuses = ros.collect(robot.node, PolicyStatusMsg, '/policy_node/status', qos.STATUS)
    ros.add(PolicyNode(**ros.parameters(
        backend='remote', server_url=f'ws://127.0.0.1:{port}', server_timeout_s=3.0,
        autostart='active', start_on_activate=True, execution_horizon=5)))
    ros.spin_until(lambda: len(chunks) >= 2, 'chunks of the remote model', timeout_s=60)
    assert chunks[0].policy == 'aloha_small' and len(chunks[0].positions) == 50 * 14
    assert 'transfer' in [timing.name for timing in chunks[0].timings]
    server.send_signal(signal.SIGKILL)
    ros.spin_until(lambda: 'inference failed' in statuses[-1].problem, 'the failure', timeout_s=30)
    chunks.clear()
    ros.spin(1.0)
    assert not chunks
    successor = start_server(port)
    try:
        ros.spin_until(lambda: chunks, 'chunks after the reconnection', timeout_s=60)
    finally:
        successor.kill()
