# SPDX-License-Identifier: Apache-2.0
"""When the policy is asked for the next chunk, so that it comes before the present one ends."""

from __future__ import annotations

from cosmos_policy_ros.robot.latency import LatencyWindow
from cosmos_policy_ros.robot.motion_settings import MODES, QuerySettings, Strategy
from cosmos_policy_ros.robot.settings import NS_PER_S
from cosmos_policy_ros.spec.action import ActionChunk


FIRST_FAILURE_PAUSE_S = 0.25
LONGEST_FAILURE_PAUSE_S = 4.0


class QuerySchedule:
    """Due times of queries that are answered one at a time.

    With one query at a time and a delay L from an observation to the receipt of its chunk, chunks
    of length C follow one another without a pause if 2 L <= C: the observation behind the next
    chunk is taken at the earliest when the present one has come, L after its own. Their blend is
    complete if 2 L + blend <= C. Beyond that the arms pause, for the least share of the time that
    any schedule reaches: see `idle_share`.

    What L is expected to be is told by the answers of late in the same mode: a search takes many
    times as long as a single sample, so each mode has a window of its own, and going back to one
    finds its delays again. A single slow answer is forgotten after three good ones, see
    `LatencyWindow.usual_percentile`.
    """

    def __init__(self, settings: QuerySettings = QuerySettings()) -> None:
        """Create a schedule that has seen no delay yet.

        Raises:
            ConfigurationError: If the window of delays has no room.
        """
        self._settings = settings
        self.reset()

    def configure(self, settings: QuerySettings) -> None:
        """Change the settings; delays seen are kept if as many are to count as before.

        Raises:
            ConfigurationError: If the window of delays has no room.
        """
        is_same_window = settings.latency_window == self._settings.latency_window
        self._settings = settings
        if not is_same_window:
            self._latencies = self._no_latencies()

    def add_latency(self, latency_s: float, mode: str | None = None) -> None:
        """Note the delay of an answer.

        Args:
            latency_s: From an observation to the publication of its chunk in [s].
            mode: How the chunk was chosen; as the settings say if None.

        Raises:
            PredictionError: If the delay is negative or not finite.
        """
        self._latencies[mode or self._settings.mode].add(latency_s)
        self._num_failures = 0

    def reset(self) -> None:
        """Forget delays and failures, for example because the policy is another one now."""
        self._latencies = self._no_latencies()
        self._num_failures = 0

    @property
    def expected_latency_s(self) -> float | None:
        """Delay in [s] that the next chunk is expected not to exceed; None before the first of
        the present mode."""
        return self._latencies[self._settings.mode].usual_percentile(
            self._settings.latency_percentile)

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

    def due_after_failure_ns(self, failed_ns: int) -> int:
        """Note a query that failed at `failed_ns`, and return when the next is due, in [ns].

        The pause doubles with every failure in a row, up to a limit.
        """
        pause_s = min(FIRST_FAILURE_PAUSE_S * 2.0**self._num_failures, LONGEST_FAILURE_PAUSE_S)
        self._num_failures += 1
        return failed_ns + round(pause_s * NS_PER_S)

    def problem(self, chunk: ActionChunk) -> str | None:
        """Say that inference is too slow for chunks as long as `chunk`; None if it is not.

        The pauses that `blocking` makes by intention are no problem.
        """
        strategy, latency_s = self._settings.strategy, self.expected_latency_s
        length_s = _length_ns(chunk) / NS_PER_S
        longest_s = length_s if strategy is Strategy.BLOCKING else length_s / 2
        if latency_s is None or latency_s <= longest_s:
            return None
        share = idle_share(strategy, latency_s, length_s)
        return (f'{strategy.value}: chunks of {length_s:.2f} s take {latency_s:.2f} s (allowed: '
                f'{longest_s:.2f} s), so the arms pause for {share:.0%} of the time')

    def _no_latencies(self) -> dict[str, LatencyWindow]:
        return {mode: LatencyWindow(self._settings.latency_window) for mode in MODES}

    def _played_end_ns(self, chunk: ActionChunk, published_ns: int) -> int:
        return published_ns + _length_ns(chunk) + round(self._settings.settle_s * NS_PER_S)

    def _latest_ns(self, chunk: ActionChunk) -> int:
        settings = self._settings
        latency_s = self.expected_latency_s or 0.0
        if latency_s * NS_PER_S >= _length_ns(chunk):
            # Asked for on the way, it would arrive when the arms have stopped already, and half
            # of it would be needed for the way; of one for arms at rest all is played.
            return chunk.end_ns + round(settings.settle_s * NS_PER_S)
        early_s = settings.blend_s + latency_s + settings.query_margin_s
        return chunk.end_ns - round(early_s * NS_PER_S)


def idle_share(strategy: Strategy, latency_s: float, length_s: float) -> float:
    """Return the share of time without motion at a steady delay and one query at a time.

    A chunk holds what runs from its observation until the next chunk comes: its length C is at
    least the motion during its own inference plus that during the next. Asking as soon as a chunk
    has come therefore gives at most C / 2 of motion in every L, asking for arms at rest gives C in
    every L + C. The former pauses less while L < C, and not at all while 2 L <= C.

    Args:
        strategy: How chunks follow one another.
        latency_s: From an observation to the receipt of its chunk in [s].
        length_s: Duration of a chunk in [s].
    """
    if strategy is Strategy.BLOCKING or latency_s >= length_s:
        return latency_s / (latency_s + length_s)
    return max(0.0, 1 - length_s / (2 * latency_s)) if latency_s else 0.0


def _length_ns(chunk: ActionChunk) -> int:
    return len(chunk.positions) * chunk.period_ns
