# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy up`: the bring-up without `ros2 launch`."""

from __future__ import annotations

import signal
import time

from rich.console import Console

from cosmos_policy_ros.bringup import BringupOptions, describe_bringup, require_ros
from cosmos_policy_ros.cli.processes import NodeProcesses


def up(options: BringupOptions) -> int:
    """Start the nodes that the options ask for and run them until Ctrl-C.

    Returns:
        Exit status: 0 after Ctrl-C, 1 when a node ended by itself.
    """
    console = Console()
    require_ros()
    nodes = describe_bringup(options)
    console.print(f'starting {", ".join(node.name for node in nodes)}; Ctrl-C ends them all')
    # A shell that starts a program in the background has it ignore Ctrl-C; this one must end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with NodeProcesses(nodes) as processes:
        try:
            while True:
                processes.check()
                time.sleep(0.2)
        except KeyboardInterrupt:
            console.print('stopping')
    return 0
