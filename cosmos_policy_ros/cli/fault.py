# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy fault`: spoil the simulated robot, to see what happens and to practise."""

from __future__ import annotations

from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
import tyro

from cosmos_policy_ros.bringup import require_ros
from cosmos_policy_ros.simulation.faults import FAULTS

ANSWER_TIMEOUT_S = 10.0


def fault(
    name: Annotated[str, tyro.conf.Positional] = '', *, target: str = '', duration_s: float = 0.0,
    amount: float = 0.0, seed: int = 0, clear: bool = False,
) -> int:
    """Spoil the running simulated robot; without a name, list what can be spoiled.

    Rehearse with `cosmos-policy up --sim`: inject a fault while the arms move, see in
    /arm_node/status and on /diagnostics that they hold and why, end the fault with `--clear`, and
    go on with `ros2 service call /arm_node/resume std_srvs/srv/Trigger`. Real robots have no such
    service.

    Args:
        name: The fault.
        target: Arm (follower_left) or camera (cam_high); by default all that it can hit.
        duration_s: How long in [s]; 0: until it is ended.
        amount: How much of it, see the list; 0: what is usual.
        seed: Seed of what is random about it.
        clear: End every fault of the target instead.
    """
    console = Console()
    if not name and not clear:
        console.print(_catalogue())
        return 0
    require_ros()
    from cosmos_policy_ros.nodes.operator import Operator
    with Operator() as operator:
        console.print(escape(operator.inject_fault(
            '' if clear else name, target=target, duration_s=duration_s, amount=amount,
            seed=seed, timeout_s=ANSWER_TIMEOUT_S)))
    return 0


def _catalogue() -> Table:
    table = Table('fault', 'what happens', 'amount', 'usual', 'allowed')
    for kind in FAULTS.values():
        bounds = f'{kind.low:g} to {kind.high:g}' if kind.amount else ''
        table.add_row(kind.name, kind.text, escape(kind.amount),
                      f'{kind.usual:g}' if kind.amount else '', bounds)
    return table
