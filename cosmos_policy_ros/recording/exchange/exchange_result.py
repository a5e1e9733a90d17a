# SPDX-License-Identifier: Apache-2.0
"""What became of episodes on their way to or from another data format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class ExchangeResult:
    """What an export or import did.

    Attributes:
        written: Episodes written now.
        skipped: Episodes that were there already.
        refused: Episode to why it was not taken.
        steps: Steps written now.
    """

    written: int = 0
    skipped: int = 0
    refused: dict[str, str]
    steps: int = 0
