# SPDX-License-Identifier: Apache-2.0
"""What a person does with services and status topics, for the demo and for tests."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from cosmos_policy_ros.errors import RobotError
from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.conversions import stamp_to_ns
from cosmos_policy_ros.nodes.interfaces import (
    ArmStatusMsg, InjectFault, LabelEpisode, PolicyStatusMsg, RecorderStatusMsg, ResetSimulation,
    SimulationStatusMsg)

STATUS_TOPICS = {
    'arm_node': ArmStatusMsg, 'policy_node': PolicyStatusMsg, 'recorder_node': RecorderStatusMsg,
    'simulated_aloha_node': SimulationStatusMsg}


class Operator:
    """Context manager with its own ROS context: call services, read the newest status."""

    def __init__(self, *, domain_id: int | None = None) -> None:
        """Join the ROS graph of `domain_id`; None takes the environment's."""
        self._context = rclpy.Context()
        self._context.init(domain_id=domain_id)
        self._node = rclpy.create_node('operator', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.status: dict[str, Any] = {}
        for name, message_type in STATUS_TOPICS.items():
            self._node.create_subscription(
                message_type, f'/{name}/status',
                lambda msg, name=name: self.status.__setitem__(name, msg), qos.STATUS)

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str,
                   check: Callable[[], None] = lambda: None) -> None:
        """Spin until the condition holds.

        Args:
            condition: Looked at after every message.
            timeout_s: How long to wait in [s].
            what: What is waited for, for the error text.
            check: Called meanwhile; may raise.

        Raises:
            RobotError: If the condition does not hold in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            check()
            if time.monotonic() > deadline:
                raise RobotError(f'{what} did not happen within {timeout_s:g} s')
            self._executor.spin_once(timeout_sec=0.1)

    def spin(self, duration_s: float) -> None:
        """Take in messages for a while."""
        deadline = time.monotonic() + duration_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def watch_dry_run(self, duration_s: float) -> tuple[list[int], list[SimulationStatusMsg]]:
        """Return the stamps in [ns] of all dry-run commands, and each simulation status."""
        stamps_ns: list[int] = []
        statuses: list[SimulationStatusMsg] = []
        watched = [
            self._node.create_subscription(
                JointState, '/arm_node/dry_run/joint_states',
                lambda msg: stamps_ns.append(stamp_to_ns(msg.header.stamp)), qos.DRIVER),
            self._node.create_subscription(
                SimulationStatusMsg, '/simulated_aloha_node/status', statuses.append, qos.STATUS)]
        self.spin(duration_s)
        for subscription in watched:
            self._node.destroy_subscription(subscription)
        return stamps_ns, statuses

    def trigger(self, service: str, timeout_s: float = 20.0) -> str:
        """Call a Trigger service and return its message.

        Raises:
            RobotError: If the service is absent, does not answer or refuses; with its reason.
        """
        return self._call(Trigger, service, Trigger.Request(), timeout_s).message

    def reset_simulation(self, seed: int, timeout_s: float = 20.0) -> None:
        """Reset the simulated scene.

        Raises:
            RobotError: As `trigger`.
        """
        self._call(ResetSimulation, '/simulated_aloha_node/reset',
                   ResetSimulation.Request(seed=seed), timeout_s)

    def inject_fault(self, name: str, *, target: str = '', duration_s: float = 0.0,
                     amount: float = 0.0, seed: int = 0, timeout_s: float = 20.0) -> str:
        """Spoil the simulated robot, or end every fault of a target if the name is empty.

        Args:
            name: Name of a fault in `simulation/faults.py`.
            target: Arm or camera; empty for all.
            duration_s: How long in [s]; 0 until ended.
            amount: How much; 0 for what is usual.
            seed: Seed of what is random.
            timeout_s: How long to wait for the answer in [s].

        Returns:
            What happens now.

        Raises:
            RobotError: As `trigger`.
        """
        return self._call(InjectFault, '/simulated_aloha_node/inject_fault', InjectFault.Request(
            name=name, target=target, duration_s=duration_s, amount=amount, seed=seed),
            timeout_s).message

    def label_episode(self, outcome: str, score: float, note: str = '') -> None:
        """Label the running or last episode.

        Raises:
            RobotError: As `trigger`.
        """
        self._call(LabelEpisode, '/recorder_node/label',
                   LabelEpisode.Request(outcome=outcome, score=score, note=note), 10.0)

    def set_parameters(self, node: str, timeout_s: float = 10.0, **values: object) -> None:
        """Set parameters of a node.

        Raises:
            RobotError: If the node does not answer or refuses; with its reason.
        """
        client = AsyncParameterClient(self._node, node)
        future = client.set_parameters(
            [Parameter(name, value=value) for name, value in values.items()])
        self.wait_until(future.done, timeout_s, f'an answer of {node} to {values}')
        for result in future.result().results:
            if not result.successful:
                raise RobotError(f'{node} refused {values}: {result.reason}')

    def _call(self, service_type: type, service: str, request: Any, timeout_s: float) -> Any:
        client = self._node.create_client(service_type, service)
        try:
            self.wait_until(client.service_is_ready, timeout_s, f'service {service}')
            future = client.call_async(request)
            self.wait_until(future.done, timeout_s, f'an answer of {service}')
            response = future.result()
        finally:
            self._node.destroy_client(client)
        if not response.success:
            raise RobotError(f'{service} refused: {response.message}')
        return response
