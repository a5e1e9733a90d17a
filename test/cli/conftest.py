# SPDX-License-Identifier: Apache-2.0
"""An emulated motor bus, and patience with it."""

from __future__ import annotations

from collections.abc import Iterator

from cli.checks.dynamixel_emulator import EmulatedBus
import pytest

LATENCY = 'dynamixel_sdk.port_handler.LATENCY_TIMER'


@pytest.fixture(scope='session')
def patience() -> Iterator[None]:
    """Wait longer for an answer: the emulator is a thread on a machine that may be busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LATENCY, 200)
        yield


@pytest.fixture
def impatience(patience: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as on a real bus, where it is silence that takes long."""
    monkeypatch.setattr(LATENCY, 16)


@pytest.fixture
def bus(patience: None) -> Iterator[EmulatedBus]:
    """The nine healthy motors of a follower arm."""
    with EmulatedBus() as emulated:
        yield emulated
