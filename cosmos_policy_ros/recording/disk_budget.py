# SPDX-License-Identifier: Apache-2.0
"""Whether the disk has room for an episode, by the rate that was measured before."""

from __future__ import annotations

from cosmos_policy_ros.errors import RecordingError

# An episode without an end is given room for this long.
OPEN_END_S = 60.0
MARGIN = 1.2


class DiskBudget:
    """Learns how fast episodes grow. Its owner holds the lock."""

    def __init__(self) -> None:
        """Begin without a measurement."""
        self._measured_rate: float | None = None

    def learn(self, num_bytes: int, duration_s: float) -> None:
        """Take note of an episode of `num_bytes` that lasted `duration_s` in [s]."""
        if duration_s > 0 and num_bytes > 0:
            self._measured_rate = num_bytes / duration_s

    def needed_bytes(self, episode_s: float, *, estimated_rate: float) -> int:
        """Return what an episode of `episode_s` takes; 0 is one without an end.

        Args:
            episode_s: Its length in [s].
            estimated_rate: Bytes per second to expect before the first was measured.
        """
        rate = estimated_rate if self._measured_rate is None else MARGIN * self._measured_rate
        return round(rate * (episode_s or OPEN_END_S))

    def require(self, where: str, *, free_bytes: int, kept_bytes: int, needed_bytes: int) -> None:
        """Refuse an episode that does not fit.

        Args:
            where: Folder, for the error text.
            free_bytes: Free room on its disk.
            kept_bytes: Room that has to stay free.
            needed_bytes: What the episode takes.

        Raises:
            RecordingError: If it does not fit.
        """
        if free_bytes < kept_bytes + needed_bytes:
            raise RecordingError(
                f'{where} has {free_bytes / 1e9:.1f} GB free; the episode takes about '
                f'{needed_bytes / 1e9:.1f} GB and min_free_bytes keeps {kept_bytes / 1e9:.1f} GB')
