# SPDX-License-Identifier: Apache-2.0
"""The parameters of every node at one moment, asked for without waiting."""

from __future__ import annotations

import re
from typing import Any

from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future

_GET, _LIST = '/get_parameters', '/list_parameters'
# An episode is passed on to others; what opens a door must not be in it.
_SECRET = re.compile(r'token|secret|password|api_?key', re.IGNORECASE)
HIDDEN = '(hidden)'


class ParameterSnapshot:
    """Asks every node that is there; call `poll` now and then until the answers are in.

    Attributes:
        values: Full node name to parameter names and values; what came so far.
    """

    def __init__(self, node: Node) -> None:
        """Find the nodes that have parameters.

        Args:
            node: The node that asks; it is asked as well.
        """
        self._node = node
        self.values: dict[str, dict[str, Any]] = {}
        names = {name.removesuffix(_GET) for name, _ in node.get_service_names_and_types()
                 if name.endswith(_GET)}
        self._waiting = {name: (node.create_client(ListParameters, name + _LIST),
                                node.create_client(GetParameters, name + _GET))
                         for name in sorted(names)}
        self._clients = [client for pair in self._waiting.values() for client in pair]

    def poll(self) -> None:
        """Ask those nodes whose services have been found."""
        for name, (lister, getter) in list(self._waiting.items()):
            if lister.service_is_ready() and getter.service_is_ready():
                del self._waiting[name]
                lister.call_async(ListParameters.Request()).add_done_callback(
                    lambda future, name=name, getter=getter: self._on_names(name, getter, future))

    def close(self) -> None:
        """Ask no more."""
        self._waiting.clear()
        for client in self._clients:
            self._node.destroy_client(client)
        self._clients = []

    def _on_names(self, node_name: str, getter: Client, future: Future) -> None:
        self.values[node_name] = {}
        self._ask(node_name, getter, list(future.result().result.names))

    def _ask(self, node_name: str, getter: Client, names: list[str]) -> None:
        if names and self._clients:
            getter.call_async(GetParameters.Request(names=names)).add_done_callback(
                lambda answer: self._on_values(node_name, getter, names, answer))

    def _on_values(
        self, node_name: str, getter: Client, names: list[str], future: Future,
    ) -> None:
        values = future.result().values
        if len(values) == len(names):
            self.values[node_name].update(
                {name: _shown(name, value) for name, value in zip(names, values)})
        elif len(names) > 1:
            # One parameter without a value spoils the whole answer: find it.
            half = len(names) // 2
            self._ask(node_name, getter, names[:half])
            self._ask(node_name, getter, names[half:])


def _shown(name: str, value: ParameterValue) -> Any:
    plain = _plain(value)
    return HIDDEN if plain and _SECRET.search(name) else plain


def _plain(value: ParameterValue) -> Any:
    python = parameter_value_to_python(value)
    is_single = python is None or isinstance(python, (bool, int, float, str))
    return python if is_single else list(python)
