# SPDX-License-Identifier: Apache-2.0
"""The same evaluation over real topics: all nodes as processes, in real time, one seed at a time.

What virtual time promises is checked here: the rollouts of the same seeds can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
import time
from typing import TYPE_CHECKING

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, require_ros
from cosmos_policy_ros.cli.processes import NodeProcesses, stay_on_this_machine
from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout
from cosmos_policy_ros.simulation.tasks import TASKS

if TYPE_CHECKING:
    from cosmos_policy_ros.nodes.operator import Operator

STARTUP_TIMEOUT_S = 90.0
START_TIMEOUT_S = 20.0
HOME_TIMEOUT_S = 30.0
DOMAIN_ID = '98'
_WATCHED = ('simulated_aloha_node', 'arm_node', 'policy_node')


def run_live(
    options: BringupOptions, seeds: Sequence[int], *, timeout_s: float,
    parameters: Mapping[str, Mapping[str, object]], log_directory: Path,
) -> Iterator[tuple[Rollout, str]]:
    """Run the seeds one after the other and yield what came of each, with the policy's name.

    Args:
        options: What to start; it must be simulated and must not start by itself.
        seeds: Seeds of the scenes.
        timeout_s: Time after which an episode has failed in [s].
        parameters: Node to its parameters that differ from those of the bring-up.
        log_directory: Folder for the logs of the nodes.

    Raises:
        RobotError: If a node ends, or a service refuses.
    """
    require_ros()
    log_directory.mkdir(parents=True, exist_ok=True)
    stay_on_this_machine(DOMAIN_ID)
    # ROS is not needed to read this file, nor where evaluation is not live.
    from cosmos_policy_ros.nodes.operator import Operator
    with NodeProcesses(describe_bringup(options), log_directory=log_directory) as processes:
        with Operator() as operator:
            operator.wait_until(lambda: set(_WATCHED) <= set(operator.status),
                                STARTUP_TIMEOUT_S, 'start-up of all nodes', processes.check)
            for node, values in parameters.items():
                operator.set_parameters(node, **values)
            for seed in seeds:
                yield (_run_seed(operator, processes, seed, options.sim_task, timeout_s),
                       operator.status['policy_node'].policy)


def _run_seed(
    operator: Operator, processes: NodeProcesses, seed: int, task: str, timeout_s: float,
) -> Rollout:
    _put_back(operator, processes, seed)
    before = operator.status['policy_node'].queries
    _trigger_once_ready(operator, processes, '/arm_node/start')
    operator.trigger('/policy_node/start')
    start_s, furthest, stop_reason = time.monotonic(), 0, ''
    stages = TASKS[task].stages
    while time.monotonic() < start_s + timeout_s and not stop_reason:
        operator.spin(0.1)
        processes.check()
        simulation, arm = operator.status['simulated_aloha_node'], operator.status['arm_node']
        furthest = max(furthest, stages.index(simulation.stage))
        if simulation.success:
            break
        if arm.state == 'holding':
            stop_reason = f'{arm.stop_reason}: {arm.detail}'
    is_success = operator.status['simulated_aloha_node'].success
    return Rollout(
        seed=seed, is_success=is_success, stage=stages[furthest],
        score=1.0 if is_success else furthest / len(stages),
        duration_s=time.monotonic() - start_s, stop_reason=stop_reason,
        num_queries=operator.status['policy_node'].queries - before,
        times=ComputeTimes(physics_s=0.0, rendering_s=0.0, inference_s=0.0))


def _put_back(operator: Operator, processes: NodeProcesses, seed: int) -> None:
    """Bring the arms home, then the scene into the state of a seed."""
    operator.trigger('/policy_node/stop')
    operator.trigger('/arm_node/stop')
    # Arms that hold are told so at every tick: from anywhere else they would return to where the
    # episode before ended, as soon as they were reset.
    _trigger_once_ready(operator, processes, '/arm_node/go_home')
    operator.wait_until(lambda: operator.status['arm_node'].stop_reason == 'arrived',
                        HOME_TIMEOUT_S, 'arrival at the start pose', processes.check)
    operator.reset_simulation(seed)
    operator.wait_until(lambda: _has_begun(operator, seed), 10.0, f'reset with seed {seed}')


def _trigger_once_ready(operator: Operator, processes: NodeProcesses, service: str) -> None:
    """Ask the arms for a motion as soon as they may: joint states can be late for a moment."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            operator.trigger(service)
            return
        except RobotError:
            if time.monotonic() > deadline_s:
                raise
            operator.spin(0.5)
            processes.check()


def _has_begun(operator: Operator, seed: int) -> bool:
    status = operator.status['simulated_aloha_node']
    return status.seed == seed and not status.success
