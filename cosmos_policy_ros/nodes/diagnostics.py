# SPDX-License-Identifier: Apache-2.0
"""One line of /diagnostics for a node (REP-107)."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header


def diagnostics_message(
    node: Node, part: str, problem: str, values: Mapping[str, object],
) -> DiagnosticArray:
    """Return the diagnostics of one part of a node.

    Args:
        node: The node that reports.
        part: Which part of it.
        problem: What is wrong; empty when all is well.
        values: Figures worth showing.
    """
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if problem else DiagnosticStatus.OK,
        name=f'{node.get_name()}: {part}', message=problem or 'ok',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
    return DiagnosticArray(header=Header(stamp=node.get_clock().now().to_msg()), status=[status])
