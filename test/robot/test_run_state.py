# SPDX-License-Identifier: Apache-2.0
"""States and reasons are words that a message can carry."""

from __future__ import annotations

import pytest

from cosmos_policy_ros.robot.chunk_executor import ChunkRejection
from cosmos_policy_ros.robot.run_state import RunState, StopReason


@pytest.mark.parametrize('enumeration', [RunState, StopReason, ChunkRejection])
def test_every_value_is_its_name_in_lower_case(enumeration):
    for member in enumeration:
        assert member.value == member.name.lower()
        assert enumeration(member.value) is member
