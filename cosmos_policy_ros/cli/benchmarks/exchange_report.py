# SPDX-License-Identifier: Apache-2.0
"""What exports and imports took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

SPEED_AIM = 5.0
# More than this for twenty times the episodes would be the episodes, not chance.
GROWTH_LIMIT_MB = 30.0


@dataclass(frozen=True, kw_only=True)
class ExportCost:
    """What an export took.

    Attributes:
        format: The data format.
        images: How the images of the episodes are stored.
        workers: Processes that wrote at a time.
        robot_s: Length of the episodes in [s].
        took_s: Time from begin to end in [s].
        processor_s: Processor time of all processes in [s].
    """

    format: str
    images: str
    workers: int
    robot_s: float
    took_s: float
    processor_s: float


@dataclass(frozen=True, kw_only=True)
class ImportCost:
    """What an import took.

    Attributes:
        format: The data format.
        episodes: How many there were.
        took_s: Time from begin to end of the process in [s].
        memory_mb: Most resident memory of the process in [MB].
    """

    format: str
    episodes: int
    took_s: float
    memory_mb: float


@dataclass(frozen=True, kw_only=True)
class ExchangeReport:
    """Exports of the same episodes to every format, and imports of few and many.

    Attributes:
        exports: The exports.
        imports: The imports, pairs of few and many of each format.
    """

    exports: Sequence[ExportCost]
    imports: Sequence[ImportCost]

    @property
    def failures(self) -> list[str]:
        """Formats whose import takes more memory for more episodes."""
        return [few.format for few, many in zip(self.imports[::2], self.imports[1::2])
                if many.memory_mb - few.memory_mb > GROWTH_LIMIT_MB]

    def as_json(self) -> dict[str, object]:
        """Everything, for a file."""
        return {'exports': [asdict(cost) for cost in self.exports],
                'imports': [asdict(cost) for cost in self.imports]}

    def table(self) -> Group:
        """Return exports and imports as tables, for people."""
        exports = Table('export', 'images', 'workers', 'times real time', 'aim',
                        'processor [s] per s of episode')
        for cost in self.exports:
            # One worker has no aim of its own.
            aim = f'>= {SPEED_AIM:g}' if cost.workers > 1 else ''
            exports.add_row(
                cost.format, cost.images, str(cost.workers), f'{cost.robot_s / cost.took_s:.1f}',
                aim, f'{cost.processor_s / cost.robot_s:.3f}')
        imports = Table('import', 'episodes', 'took \\[s]', 'memory, most \\[MB]')
        for cost in self.imports:
            imports.add_row(cost.format, str(cost.episodes), f'{cost.took_s:.1f}',
                            f'{cost.memory_mb:.0f}')
        return Group(exports, imports)
