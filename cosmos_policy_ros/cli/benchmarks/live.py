# SPDX-License-Identifier: Apache-2.0
"""The running system: control jitter beside full inference, and the whole system's rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
import tempfile

import numpy as np
import psutil

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, NodeSpec
from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.cli.benchmarks.model import infer_forever
from cosmos_policy_ros.cli.benchmarks.wake_ups import watched_wake_ups
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.nodes.operator import Operator

DOMAIN_ID = '98'
STARTUP_TIMEOUT_S = 90.0
SETTLING_S = 5.0
CONTROL_PERIOD_MS = 20.0
JITTER_LIMIT_MS = 2.0
WORST_JITTER_LIMIT_MS = 5.0
ARM_MEMORY_LIMIT_MB = 120.0
IMAGE_RATE_HZ = 15.0
# The rate is counted in whole images per second; one may fall into the next.
RATE_SHARE = 0.97
MEMORY_LIMIT_MB = 1500.0


def measure_control(*, checkpoint: str = 'aloha_small', duration_s: float = 30.0) -> list[Figure]:
    """Measure the arm node's control period while inference keeps a core busy.

    A dry run publishes every command with the time of its control tick, which is what the jitter
    is taken from. The simulated robot runs without cameras. Needs no other load on the machine;
    what that does by itself shows in the wake-ups of a process that only sleeps.

    Args:
        checkpoint: The model that infers.
        duration_s: How long to measure in [s].
    """
    names = {'simulated_aloha_node': {'render': False}, 'arm_node': {}}
    options = BringupOptions(sim=True, dry_run=True, record=False)
    inference = get_context('spawn').Process(
        target=infer_forever, args=(checkpoint,), daemon=True)
    with _running(_select(options, names)) as (operator, processes):
        operator.wait_until(
            lambda: getattr(operator.status.get('arm_node'), 'state', '') == 'waiting',
            STARTUP_TIMEOUT_S, 'start of the arms', processes.check)
        inference.start()
        operator.spin(SETTLING_S)
        with watched_wake_ups(CONTROL_PERIOD_MS) as machine_ms:
            ticks_ns, _ = operator.watch_dry_run(duration_s)
        inference.kill()
        arm = psutil.Process(processes.process_id('arm_node'))
        memory_mb = arm.memory_info().rss / 1e6
    deviation_ms = np.abs(np.diff(ticks_ns) / 1e6 - CONTROL_PERIOD_MS)
    return [*spread('control period under full inference, deviation from 20 ms',
                    deviation_ms.tolist(), 'ms', p99_limit=JITTER_LIMIT_MS,
                    max_limit=WORST_JITTER_LIMIT_MS),
            Figure(name=f'such deviations above {WORST_JITTER_LIMIT_MS:g} ms', unit='ticks',
                   value=float((deviation_ms > WORST_JITTER_LIMIT_MS).sum())),
            *spread('the same of a process that only sleeps', machine_ms, 'ms'),
            Figure(name='resident memory of arm_node', value=memory_mb, unit='MB',
                   limit=ARM_MEMORY_LIMIT_MB)]


def measure_system(*, checkpoint: str = 'aloha_small', duration_s: float = 20.0) -> list[Figure]:
    """Measure rates and memory of robot, model and arms together, without and with recording."""
    return [*_measure_rates(checkpoint, duration_s, record=False),
            *_measure_rates(checkpoint, duration_s, record=True)]


def _measure_rates(checkpoint: str, duration_s: float, *, record: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        nodes = describe_bringup(BringupOptions(
            sim=True, checkpoint=checkpoint, record=record, output=folder))
        with _running(nodes) as (operator, processes):
            operator.wait_until(
                lambda: getattr(operator.status.get('policy_node'), 'queries', 0) > 1,
                STARTUP_TIMEOUT_S, 'first chunks', processes.check)
            if record:
                operator.trigger('/recorder_node/start')
            operator.spin(SETTLING_S)
            _, statuses = operator.watch_dry_run(duration_s)
            memory_mb = psutil.Process(
                processes.process_id('policy_node')).memory_info().rss / 1e6
    suffix = ', recording' if record else ''
    return [*_rates(statuses, suffix, with_limits=not record), Figure(
        name=f'resident memory of policy_node{suffix}', value=memory_mb, unit='MB',
        limit=MEMORY_LIMIT_MB)]


@contextmanager
def _running(nodes: Sequence[NodeSpec]) -> Iterator[tuple[Operator, NodeProcesses]]:
    stay_on_this_machine(DOMAIN_ID)
    with tempfile.TemporaryDirectory() as logs:
        with NodeProcesses(nodes, log_directory=Path(logs)) as processes, Operator() as operator:
            yield operator, processes


def _select(options: BringupOptions, parameters: dict[str, dict[str, object]]) -> list[NodeSpec]:
    return [replace(node, parameters={**node.parameters, **parameters[node.name]})
            for node in describe_bringup(options) if node.name in parameters]


def _rates(statuses: list[object], suffix: str, *, with_limits: bool) -> list[Figure]:
    def mean(field: str) -> float:
        return float(np.mean([getattr(status, field) for status in statuses]))

    return [
        Figure(name=f'simulated cameras 3 x 640x480, mean rate{suffix}', unit='Hz', at_least=True,
               value=mean('image_rate_hz'),
               limit=RATE_SHARE * IMAGE_RATE_HZ if with_limits else None),
        Figure(name=f'simulated joint states, mean rate{suffix}', unit='Hz', at_least=True,
               value=mean('joint_state_rate_hz'),
               limit=RATE_SHARE * 100.0 if with_limits else None),
        Figure(name=f'real-time factor, mean{suffix}', unit='1',
               value=mean('real_time_factor'))]
