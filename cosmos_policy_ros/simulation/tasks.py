# SPDX-License-Identifier: Apache-2.0
"""The tasks of the simulated robot by name."""

from __future__ import annotations

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.insertion import Insertion
from cosmos_policy_ros.simulation.task import Task
from cosmos_policy_ros.simulation.transfer_cube import HardTransferCube, LiftCube, TransferCube

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (TransferCube, HardTransferCube, Insertion, LiftCube)}


def make_task(name: str) -> Task:
    """Return a fresh task of that name.

    Raises:
        ConfigurationError: If there is none.
    """
    if name not in TASKS:
        raise ConfigurationError(f'unknown simulated task {name!r}; known: {", ".join(TASKS)}')
    return TASKS[name]()
