# SPDX-License-Identifier: Apache-2.0
"""What recorders had of the same load, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a recorder had of the load, and what it took.

    Attributes:
        lost: Name of each stream to its messages that are missing; -1 if it has none at all.
        received: Messages that it has.
        duration_s: Time from first to last by the load's own count in [s].
        cores: Processor time per time.
        memory_mb: Most resident memory in [MB], what it shares with others included.
        own_memory_mb: Most memory of its own in [MB].
        written_mb_s: Size of its file per time in [MB/s].
    """

    lost: Mapping[str, int]
    received: int
    duration_s: float
    cores: float
    memory_mb: float
    own_memory_mb: float
    written_mb_s: float


@dataclass(frozen=True, kw_only=True)
class RecordingReport:
    """Recorders side by side, the first of them ours as it is shipped.

    Attributes:
        recorders: Name of each to what it had.
    """

    recorders: Mapping[str, Recorded]

    @property
    def failures(self) -> list[str]:
        """Streams of which ours lost messages."""
        ours = next(iter(self.recorders.values()))
        return [stream for stream, lost in ours.lost.items() if lost]

    def as_json(self) -> dict[str, object]:
        """Everything, for a file."""
        return {name: asdict(recorded) for name, recorded in self.recorders.items()}

    def table(self) -> Table:
        """Return the recorders as columns, for people."""
        table = Table('30 images/s per camera, 100 joint states/s per arm', *self.recorders)
        everyone = list(self.recorders.values())
        for stream in everyone[0].lost:
            table.add_row(f'lost of {stream}', *(str(one.lost[stream]) for one in everyone))
        for text, field, form in (
                ('messages received', 'received', 'd'), ('over [s]', 'duration_s', '.1f'),
                ('processor [cores]', 'cores', '.2f'), ('memory, most [MB]', 'memory_mb', '.0f'),
                ('of that its own [MB]', 'own_memory_mb', '.0f'),
                ('written [MB/s]', 'written_mb_s', '.1f')):
            table.add_row(escape(text), *(format(getattr(one, field), form) for one in everyone))
        return table
