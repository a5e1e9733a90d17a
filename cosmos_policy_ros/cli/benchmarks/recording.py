# SPDX-License-Identifier: Apache-2.0
"""Frames that recorders lose, and what they take: four raw cameras and four arms over real DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

from cosmos_policy_ros.bringup import environment_defaults, NodeSpec
from cosmos_policy_ros.cli.benchmarks.recording_report import Recorded, RecordingReport
from cosmos_policy_ros.cli.benchmarks.watched_process import WatchedProcess
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.errors import CosmosPolicyError
from cosmos_policy_ros.nodes.buffering_recorder import buffered_stamps, COMPLETE
from cosmos_policy_ros.nodes.operator import Operator
from cosmos_policy_ros.nodes.recording_load import IMAGE_TOPICS, JOINT_RATE_HZ, JOINT_TOPICS
from cosmos_policy_ros.recording.image_encoding import stored_image_topic
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.resources import resource

DOMAIN_ID = '97'
STARTUP_TIMEOUT_S = 30.0
SETTLING_S = 3.0
# What keeps every frame in memory is measured no longer: it takes 110 MB more each second.
BUFFERING_LIMIT_S = 20.0
_STOP_TIMEOUT_S = 120.0
_PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_EMPTY_PROFILE = '<dds xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"/>\n'


def measure_recording(
    *, duration_s: float = 60.0, on_step: Callable[[str], None] = lambda text: None,
) -> RecordingReport:
    """Record the load with recorder_node, with it on default DDS settings, and as vendors do.

    Args:
        duration_s: How long recorder_node records in [s]; the other two at most 20 s.
        on_step: Told what is being measured.

    Raises:
        CosmosPolicyError: If a process does not start, or ends.
    """
    stay_on_this_machine(DOMAIN_ID)
    short_s = min(duration_s, BUFFERING_LIMIT_S)
    recorders = {}
    for name, seconds, is_tuned, record in (
            ('recorder_node', duration_s, True, _record_with_node),
            ('recorder_node, default DDS', short_s, False, _record_with_node),
            ('all in memory, then HDF5', short_s, True, _record_in_memory)):
        on_step(f'{name}, {seconds:g} s')
        with tempfile.TemporaryDirectory() as folder, _dds_settings(Path(folder), is_tuned), \
                _process('cosmos_policy_ros.nodes.recording_load'):
            recorders[name] = record(Path(folder), seconds)
    return RecordingReport(recorders=recorders)


def _record_with_node(folder: Path, duration_s: float) -> Recorded:
    node = NodeSpec(
        name='recorder_node', parameter_file=resource('config/recorder_node.yaml'),
        parameters={'output_directory': str(folder / 'episodes'),
                    'topics': [*JOINT_TOPICS, *IMAGE_TOPICS], 'optional_topics': ['/rosout'],
                    'discovery_timeout_s': STARTUP_TIMEOUT_S}, remappings={})
    with NodeProcesses([node], log_directory=folder) as processes, Operator() as operator:
        operator.trigger('/recorder_node/start', STARTUP_TIMEOUT_S + 30.0)
        operator.spin(SETTLING_S)
        with WatchedProcess(processes.process_id('recorder_node')) as watched:
            operator.spin(duration_s)
        operator.trigger('/recorder_node/stop', _STOP_TIMEOUT_S)
        processes.check()
    reader = EpisodeReader(folder / 'episodes' / 'episode_000000')
    return _recorded(watched, reader.size_bytes, {
        topic: _stamps(reader, stored_image_topic(topic, reader.topics))
        for topic in (*IMAGE_TOPICS, *JOINT_TOPICS)})


def _record_in_memory(folder: Path, duration_s: float) -> Recorded:
    path = folder / 'episode.hdf5'
    with _process('cosmos_policy_ros.nodes.buffering_recorder', str(path)) as process:
        while COMPLETE not in (line := process.stdout.readline()):
            if not line:
                raise CosmosPolicyError('the recorder to compare with ended before it began')
        with WatchedProcess(process.pid) as watched:
            time.sleep(duration_s)
    return _recorded(watched, path.stat().st_size, buffered_stamps(path))


def _recorded(
    watched: WatchedProcess, size_bytes: int, stamps: Mapping[str, np.ndarray],
) -> Recorded:
    duration_s = max(np.ptp(stamps[topic]) if len(stamps[topic]) else 0
                     for topic in JOINT_TOPICS) / JOINT_RATE_HZ
    return Recorded(
        lost={topic.split('/')[1]: _lost(numbers) for topic, numbers in stamps.items()},
        received=sum(map(len, stamps.values())), duration_s=float(duration_s),
        cores=watched.cores, memory_mb=watched.memory_mb, own_memory_mb=watched.own_memory_mb,
        written_mb_s=size_bytes / 1e6 / max(duration_s, 1.0))


def _lost(numbers: np.ndarray) -> int:
    """Return how many numbers are missing between first and last; -1 without any number."""
    return int(np.ptp(numbers) + 1 - len(np.unique(numbers))) if len(numbers) else -1


def _stamps(reader: EpisodeReader, topic: str) -> np.ndarray:
    if topic not in reader.topics:
        return np.empty(0, int)
    # The stamp is what a header begins with, behind the four bytes of the encapsulation.
    return np.array([seconds * 10**9 + nanoseconds for seconds, nanoseconds in (
        struct.unpack_from('<iI', message.data, 4) for message in reader.messages([topic]))], int)


@contextmanager
def _dds_settings(folder: Path, is_tuned: bool) -> Iterator[None]:
    """Let processes that start meanwhile use the shipped profile, or none."""
    before = {name: os.environ.get(name) for name in _PROFILE_VARIABLES}
    if not is_tuned:
        profile = folder / 'empty.xml'
        profile.write_text(_EMPTY_PROFILE)
        os.environ.update(dict.fromkeys(_PROFILE_VARIABLES, str(profile)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, '-m', module, *arguments],
                               env={**environment_defaults(), **os.environ}, text=True,
                               stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
    if process.returncode != 0:
        raise CosmosPolicyError(f'{module} ended with exit status {process.returncode}')
