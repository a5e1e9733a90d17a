# SPDX-License-Identifier: Apache-2.0
"""An emulated motor bus."""

from __future__ import annotations

from collections.abc import Iterator

from cli.checks.dynamixel_emulator import EmulatedBus
import pytest

pytest.importorskip('dynamixel_sdk')


@pytest.fixture
def bus() -> Iterator[EmulatedBus]:
    """The nine healthy motors of a follower arm."""
    with EmulatedBus() as emulated:
        yield emulated
