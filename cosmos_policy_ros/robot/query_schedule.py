# SPDX-License-Identifier: Apache-2.0
"""When the policy is asked for the next chunk, so that it comes before the present one ends."""

from __future__ import annotations

from cosmos_policy_ros.robot.latency import LatencyWindow
from cosmos_policy_ros.robot.motion_settings import QuerySettings, Strategy
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk


class QuerySchedule:
    """Due times of queries that are answered one at a time.

    With one query at a time and a delay L from an observation to the receipt of its chunk, chunks
    of length C follow one another without a pause if 2 L <= C: the observation behind the next
    chunk is taken at the earliest when the present one has come, L after its own. Their blend is
    complete if 2 L + blend <= C.
    """

    def __init__(self, settings: QuerySettings = QuerySettings()) -> None:
        """Create a schedule that has seen no delay yet.

        Raises:
            ConfigurationError: If the window of delays has no room.
        """
        self._settings = settings
        self._latencies = LatencyWindow(settings.latency_window)

    def configure(self, settings: QuerySettings) -> None:
        """Change the settings; delays seen are kept if as many are to count as before.

        Raises:
            ConfigurationError: If the window of delays has no room.
        """
        if settings.latency_window != self._settings.latency_window:
            self._latencies = LatencyWindow(settings.latency_window)
        self._settings = settings

    def add_latency(self, latency_s: float) -> None:
        """Note the delay in [s] from an observation to the publication of its chunk.

        Raises:
            PredictionError: If it is negative or not finite.
        """
        self._latencies.add(latency_s)

    def reset(self) -> None:
        """Forget the delays, for example because the policy is another one now."""
        self._latencies = LatencyWindow(self._settings.latency_window)

    @property
    def expected_latency_s(self) -> float | None:
        """Delay in [s] that the next chunk is expected not to exceed; None before the first."""
        return self._latencies.percentile(self._settings.latency_percentile)

    def due_ns(self, chunk: ActionChunk | None, published_ns: int) -> int:
        """Return the time in [ns] from which on the next query is due.

        Args:
            chunk: The newest chunk; None if there is none since the start.
            published_ns: When it was published in [ns].
        """
        settings = self._settings
        if chunk is None:
            return published_ns
        if settings.strategy is Strategy.BLOCKING or chunk.end_ns <= published_ns:
            return self._played_end_ns(chunk, published_ns)
        if settings.execution_horizon:
            return chunk.stamp_ns + settings.execution_horizon * chunk.period_ns
        if settings.strategy is Strategy.TEMPORAL_ENSEMBLE:
            # The more chunks cover the moment, the better their mean.
            return published_ns
        return self._latest_ns(chunk)

    def problem(self, chunk: ActionChunk) -> str | None:
        """Say why the arms will pause between chunks as long as `chunk`; None if they will not."""
        latency_s, length_s = self.expected_latency_s, _length_ns(chunk) / NS_PER_S
        if latency_s is None:
            return None
        share = idle_share(self._settings.strategy, latency_s, length_s)
        if not share:
            return None
        return (f'{self._settings.strategy.value}: chunks of {length_s:.2f} s take '
                f'{latency_s:.2f} s, so the arms pause for {share:.0%} of the time')

    def _played_end_ns(self, chunk: ActionChunk, published_ns: int) -> int:
        return published_ns + _length_ns(chunk) + round(self._settings.settle_s * NS_PER_S)

    def _latest_ns(self, chunk: ActionChunk) -> int:
        settings = self._settings
        latency_s = self.expected_latency_s or 0.0
        if latency_s * NS_PER_S >= _length_ns(chunk):
            # A chunk asked for on the way would be late as a whole and refused.
            return chunk.end_ns + round(settings.settle_s * NS_PER_S)
        early_s = settings.blend_s + latency_s + settings.query_margin_s
        return chunk.end_ns - round(early_s * NS_PER_S)


def idle_share(strategy: Strategy, latency_s: float, length_s: float) -> float:
    """Return the share of time without motion at a steady delay and one query at a time.

    Args:
        strategy: How chunks follow one another.
        latency_s: From an observation to the receipt of its chunk in [s].
        length_s: Duration of a chunk in [s].
    """
    if strategy is Strategy.BLOCKING or latency_s >= length_s:
        return latency_s / (latency_s + length_s)
    return max(0.0, (2 * latency_s - length_s) / latency_s) if latency_s else 0.0


def _length_ns(chunk: ActionChunk) -> int:
    return len(chunk.positions) * chunk.period_ns
