# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes of one group: all start, all end, none stays behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import ctypes
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import yaml

from cosmos_policy_ros.bringup import environment_defaults, NodeSpec, PARKING_TIMEOUT_S
from cosmos_policy_ros.errors import CosmosPolicyError

_PR_SET_PDEATHSIG = 1


def node_environment() -> dict[str, str]:
    """Environment of a node that reads images: what this package wants, unless the user set it."""
    return {**environment_defaults(), **os.environ}


def stay_on_this_machine(domain_id: str) -> None:
    """Keep the DDS traffic of this process and its children on the loopback interface.

    Args:
        domain_id: ROS domain to use where the user chose none.
    """
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ['ROS_LOCALHOST_ONLY'] = '1'
    else:
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ.setdefault('ROS_DOMAIN_ID', domain_id)


class NodeProcesses:
    """Context manager that runs nodes as child processes and ends them together.

    Args:
        nodes: What to start, in order.
        log_directory: Folder for one log file per node; None leaves their output on the terminal.
        stop_timeout_s: How long nodes may take to end before they are killed, in [s].
    """

    def __init__(self, nodes: Sequence[NodeSpec], *, log_directory: Path | None = None,
                 stop_timeout_s: float = 10.0) -> None:
        self._nodes = nodes
        self._log_directory = log_directory
        self._stop_timeout_s = stop_timeout_s
        self._children: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> NodeProcesses:
        self._scratch = tempfile.TemporaryDirectory(prefix='cosmos_policy_ros_')
        for node in self._nodes:
            self._children[node.name] = self._start(node)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        self._scratch.cleanup()

    def check(self) -> None:
        """Raise if a node has ended.

        Raises:
            CosmosPolicyError: Naming the node, its exit status and its log.
        """
        for name, child in self._children.items():
            if child.poll() is not None:
                log = f'; see {self._log_directory / name}.log' if self._log_directory else ''
                raise CosmosPolicyError(f'{name} ended with exit status {child.returncode}{log}')

    def process_id(self, name: str) -> int:
        """Process id of a node."""
        return self._children[name].pid

    def kill(self, name: str) -> None:
        """Let a node die at once, without a chance to say goodbye."""
        self._children[name].kill()
        self._children[name].wait()

    def restart(self, name: str) -> None:
        """Start a node that has ended."""
        self._children[name] = self._start(next(
            node for node in self._nodes if node.name == name))

    def stop(self) -> None:
        """End every node, one that parks the arms first; wait, kill what is left."""
        for node in self._nodes:
            if node.parks and node.name in self._children:
                _end([self._children[node.name]], PARKING_TIMEOUT_S)
        _end(self._children.values(), self._stop_timeout_s)

    def _start(self, node: NodeSpec) -> subprocess.Popen:
        log = None
        if self._log_directory is not None:
            log = open(self._log_directory / f'{node.name}.log', 'wb')
        try:
            return subprocess.Popen(
                self._command(node), env={**node.environment, **os.environ},
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT if log else None, start_new_session=True,
                preexec_fn=_die_with_parent)
        finally:
            if log is not None:
                log.close()

    def _command(self, node: NodeSpec) -> list[str]:
        overrides = Path(self._scratch.name) / f'{node.name}.yaml'
        overrides.write_text(yaml.safe_dump(
            {node.name: {'ros__parameters': dict(node.parameters)}}))
        command = [sys.executable, '-m', f'cosmos_policy_ros.nodes.{node.name}', '--ros-args',
                   '--params-file', str(node.parameter_file), '--params-file', str(overrides)]
        for inside, outside in node.remappings.items():
            command += ['-r', f'{inside}:={outside}']
        return command


def _end(children: Iterable[subprocess.Popen], timeout_s: float) -> None:
    children = list(children)
    for child in children:
        if child.poll() is None:
            # Nodes treat it like Ctrl-C; a Python that is still starting ends without noise.
            child.terminate()
    deadline = time.monotonic() + timeout_s
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
