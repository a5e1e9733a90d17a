# SPDX-License-Identifier: Apache-2.0
"""What remains of a recording whose process is killed at any moment, many times over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import ctypes
from hashlib import sha256
import os
from pathlib import Path
import random
import signal
import struct
import subprocess
import sys
import tempfile
from threading import Lock
import time

import psutil

from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.errors import CosmosPolicyError, RecordingError
from cosmos_policy_ros.recording.background_writer import (
    BackgroundWriter, WaitingMessage, WriteSettings)
from cosmos_policy_ros.recording.episode import EpisodeLabel, EpisodeMetadata
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.recording.recover import recover
from cosmos_policy_ros.recording.topic import Topic
from cosmos_policy_ros.recording.writer import EpisodeWriter, mcap_name

LOST_LIMIT_S = 1.0
_AT_ONCE = 8
_TIMEOUT_S = 120.0
_PERIOD_S = 0.005
_TEXT_BYTES = 20_000
_TOPIC = '/talk'
_TYPE = 'std_msgs/msg/String'
_TIME = struct.Struct('<Q')
_PR_SET_PDEATHSIG = 1


def measure_kills(
    *, count: int = 300, seed: int = 0, latest_s: float = 3.0,
    on_step: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """Kill recording processes at random moments, recover what they left, and compare.

    Args:
        count: How many to kill.
        seed: Seed of the moments.
        latest_s: The latest moment, from the first flush of a recording on, in [s].
        on_step: Told how far it is.

    Raises:
        CosmosPolicyError: If a process does not record.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(_AT_ONCE) as pool, \
            _RecordingServer(Path(name)) as server:
        folder = Path(name)
        finished = _finished_episode(folder)
        before = _digest(finished)
        results = []
        trials = [(server, folder, f'killed_{number}', chance.uniform(0.0, latest_s))
                  for number in range(count)]
        for result in pool.map(lambda trial: _kill_one(*trial), trials):
            results.append(result)
            on_step(f'{len(results)} of {count} processes killed')
        is_untouched = _digest(finished) == before
    return _figures(results, is_untouched)


def _figures(lost_s: list[float | None], is_untouched: bool) -> list[Figure]:
    recovered = [value for value in lost_s if value is not None]
    return [
        Figure(name='recordings killed', value=len(lost_s), unit='1'),
        Figure(name='of these recovered', value=len(recovered), unit='1', limit=len(lost_s),
               at_least=True),
        *spread('lost before the kill', recovered or [float('inf')], 's',
                p99_limit=LOST_LIMIT_S),
        Figure(name='finished episodes changed', value=float(not is_untouched), unit='1',
               limit=0.0)]


def _kill_one(server: _RecordingServer, folder: Path, name: str, delay_s: float) -> float | None:
    """Return how much was lost before the kill in [s]; None if nothing could be recovered."""
    taken, process_id = folder / f'{name}.taken', server.start(name)
    file = folder / f'{name}.partial' / mcap_name(name)
    # What cannot be there before the first flush is not what is asked about.
    _wait_until(lambda: file.exists() and file.stat().st_size > _TEXT_BYTES,
                f'the first flush of {name}')
    time.sleep(delay_s)
    os.kill(process_id, signal.SIGKILL)
    _wait_until(lambda: not psutil.pid_exists(process_id), f'the end of {name}')
    try:
        episode = recover(folder / f'{name}.partial').path
    except RecordingError:
        return None
    reader = EpisodeReader(episode)
    return (_last_taken_ns(taken) - reader.topics[_TOPIC].last_ns) / 1e9


class _RecordingServer:
    """Context manager: a process that has loaded all it needs and forks recordings of itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def __enter__(self) -> _RecordingServer:
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__, str(self._folder)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.stdin.close()
        self._process.wait(_TIMEOUT_S)
        self._process.stdout.close()

    def start(self, name: str) -> int:
        """Start a recording that never ends; return its process id."""
        with self._lock:
            print(name, file=self._process.stdin, flush=True)
            return int(self._process.stdout.readline())


def _wait_until(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise CosmosPolicyError(f'{what} did not happen within {_TIMEOUT_S:g} s')
        time.sleep(0.01)


def _last_taken_ns(path: Path) -> int:
    data = path.read_bytes() if path.exists() else b''
    return _TIME.unpack(data)[0] if len(data) == _TIME.size else 0


def _finished_episode(folder: Path) -> Path:
    writer = _writer(folder, 'finished')
    writer.add_topic(Topic(name=_TOPIC, type_name=_TYPE))
    for number in range(100):
        writer.write(_TOPIC, _message(), log_time_ns=number, publish_time_ns=number)
    return writer.finish(EpisodeLabel(outcome='success'), ended_ns=100)


def _digest(folder: Path) -> list[tuple[str, str, int]]:
    return [(path.name, sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in sorted(folder.iterdir())]


def _writer(folder: Path, name: str) -> EpisodeWriter:
    return EpisodeWriter(folder, EpisodeMetadata(
        task='', robot='', mode='', software_version='', started_ns=0), name=name)


def _message() -> bytes:
    return b'\0\1\0\0' + struct.pack('<I', _TEXT_BYTES) + os.urandom(_TEXT_BYTES - 1) + b'\0'


def record_for_ever(folder: Path, name: str) -> None:
    """Record 4 MB/s as recorder_node does, noting in a file of its own when each was taken."""
    background = BackgroundWriter(_writer(folder, name), WriteSettings())
    background.add_topic(Topic(name=_TOPIC, type_name=_TYPE))
    start_s, number = time.monotonic(), 0
    with open(folder / f'{name}.taken', 'wb', buffering=0) as taken:
        while True:
            now_ns = time.monotonic_ns()
            if not background.put(WaitingMessage(topic_name=_TOPIC, data=_message(),
                                                 log_time_ns=now_ns, publish_time_ns=now_ns)):
                raise background.problem or RecordingError('the disk is too slow')
            os.pwrite(taken.fileno(), _TIME.pack(now_ns), 0)
            number += 1
            time.sleep(max(0.0, start_s + number * _PERIOD_S - time.monotonic()))


def serve(folder: Path) -> None:
    """Fork a recording for every name on standard input; print its process id."""
    # The ended ones leave nothing behind that somebody would have to collect.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        process_id = os.fork()
        if process_id == 0:
            # No recording outlives the benchmark, however that ends.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            record_for_ever(folder, line.strip())
        print(process_id, flush=True)


if __name__ == '__main__':
    serve(Path(sys.argv[1]))
