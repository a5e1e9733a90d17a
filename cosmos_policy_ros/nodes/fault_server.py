# SPDX-License-Identifier: Apache-2.0
"""The service that spoils the simulated robot."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.nodes.driver_server import DriverServer
from cosmos_policy_ros.nodes.interfaces import InjectFault
from cosmos_policy_ros.nodes.timers import steady_timer
from cosmos_policy_ros.simulation.fault_injector import FaultInjector
from cosmos_policy_ros.simulation.faults import faults_from_request

PERIOD_S = 0.02


class FaultServer:
    """Begins and ends faults as asked for, and ends those whose time is over.

    Service: `~/inject_fault` InjectFault; see `simulation/faults.py` for what there is.
    """

    def __init__(self, node: Node, faults: FaultInjector, drivers: Sequence[DriverServer],
                 cameras: Sequence[str]) -> None:
        """Offer the service.

        Args:
            node: The node that offers it.
            faults: What the robot suffers from.
            drivers: The drivers of all arms.
            cameras: Cameras that are published.
        """
        self._node, self._faults, self._drivers, self._cameras = node, faults, drivers, cameras
        node.create_service(InjectFault, '~/inject_fault', self._on_request)
        steady_timer(node, PERIOD_S, self._on_timer)

    def _on_request(
        self, request: InjectFault.Request, response: InjectFault.Response,
    ) -> InjectFault.Response:
        try:
            response.message = self._inject(request) if request.name else self._clear(request)
        except ConfigurationError as error:
            response.success, response.message = False, str(error)
        else:
            response.success = True
        return response

    def _inject(self, request: InjectFault.Request) -> str:
        now_ns = self._now_ns()
        faults = faults_from_request(
            request.name, target=request.target, duration_s=request.duration_s,
            amount=request.amount, seed=request.seed, now_ns=now_ns,
            arms=[driver.arm_name for driver in self._drivers], cameras=self._cameras)
        self._faults.inject(faults, now_ns)
        self._show()
        return (f'{request.name} of {", ".join(fault.target for fault in faults)}: '
                f'{faults[0].kind.text}')

    def _clear(self, request: InjectFault.Request) -> str:
        num_ended = self._faults.clear(request.target, self._now_ns())
        self._show()
        return f'{num_ended} faults ended'

    def _on_timer(self) -> None:
        self._faults.end_overdue(self._now_ns())
        self._show()

    def _show(self) -> None:
        for driver in self._drivers:
            driver.show_faults()

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds
