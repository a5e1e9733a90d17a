# SPDX-License-Identifier: Apache-2.0
"""Real rclpy on a domain of its own: nodes, a spinning executor, and waits with a deadline."""

from collections.abc import Callable
import os
import time

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('cosmos_policy_ros.msg')

# Set before any context exists: tests never talk to the network or to each other's leftovers.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


class RosWorld:
    """Nodes on one executor in a private context; `spin_until` drives them."""

    def __init__(self, domain_id: int) -> None:
        from rclpy.executors import SingleThreadedExecutor
        self.domain_id = domain_id
        self.context = rclpy.Context()
        self.context.init(domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes = []

    def add(self, node):
        """Put a node on the executor; it is destroyed at the end."""
        self.executor.add_node(node)
        self._nodes.append(node)
        return node

    def node(self, name: str = 'tester'):
        """Make a plain node."""
        return self.add(rclpy.create_node(name, context=self.context))

    def parameters(self, **values):
        """Return the node options that override parameters in this context."""
        from rclpy.parameter import Parameter
        return {'context': self.context, 'parameter_overrides': [
            Parameter(name, value=list(value) if isinstance(value, tuple) else value)
            for name, value in values.items()]}

    def spin_until(self, condition: Callable[[], bool], what: str, timeout_s: float = 15.0):
        """Spin until the condition holds, or fail naming what did not happen."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f'{what} did not happen within {timeout_s} s'
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, duration_s: float):
        """Spin for a while."""
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def collect(self, node, message_type, topic: str, qos=10) -> list:
        """Return a list that the messages of a topic are appended to."""
        received = []
        node.create_subscription(message_type, topic, received.append, qos)
        return received

    def call(self, node, service_type, name: str, request, timeout_s: float = 15.0):
        """Call a service and return its response."""
        client = node.create_client(service_type, name)
        self.spin_until(client.service_is_ready, f'service {name}', timeout_s)
        future = client.call_async(request)
        self.spin_until(future.done, f'an answer of {name}', timeout_s)
        return future.result()

    def close(self):
        """Destroy everything."""
        self.executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def ros(request):
    """A private ROS world on a domain of its own."""
    world = RosWorld(domain_id=60 + hash(request.node.nodeid) % 30)
    yield world
    world.close()
