# SPDX-License-Identifier: Apache-2.0
"""Tasks are found by name, and every one has an expert."""

import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.simulation.expert_legs import LEGS
from cosmos_policy_ros.simulation.tasks import make_task, TASKS
from cosmos_policy_ros.simulation.transfer_cube import TransferCube


def test_tasks_are_made_by_their_name():
    assert isinstance(make_task('transfer_cube'), TransferCube)
    assert {make_task(name).name for name in TASKS} == set(TASKS)


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="'fold the shirt'.*transfer_cube, .*insertion"):
        make_task('fold the shirt')


def test_every_task_has_an_expert():
    assert set(LEGS) == set(TASKS)
