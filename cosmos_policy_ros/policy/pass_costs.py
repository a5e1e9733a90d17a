# SPDX-License-Identifier: Apache-2.0
"""What passes of the network cost, from what they took before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from cosmos_policy_ros.policy.network_pass import Batch

NUM_REMEMBERED = 5
MARGIN = 1.1
"""What is expected takes this much longer than it did; queries differ by a few percent."""


class PassCosts:
    """Remembers the latest durations and expects the longest that they allow for.

    The unit is one evaluation of the network, which costs the same in every role. A batch is
    expected to take as long as a larger one that was measured, and longer than a smaller one in
    proportion to its size: both are upper bounds.
    """

    def __init__(self) -> None:
        self._evaluations: deque[tuple[int, float]] = deque(maxlen=NUM_REMEMBERED)
        self._answers_s: dict[bool, deque[float]] = defaultdict(
            lambda: deque(maxlen=NUM_REMEMBERED))
        self._fastest_direct_s: dict[int, float] = {}

    def record_evaluations(self, batch: Batch, duration_s: float) -> None:
        """Remember what a batch took in [s]."""
        self._evaluations.append((len(batch.samples), duration_s / batch.num_evaluations))

    def record_answer(self, with_future_images: bool, duration_s: float) -> None:
        """Remember what it took in [s] to read, and decode, the chosen sample."""
        self._answers_s[with_future_images].append(duration_s)

    def record_direct(self, num_steps: int, duration_s: float) -> None:
        """Remember what a whole direct query with that many denoising steps took in [s]."""
        fastest_s = self._fastest_direct_s.get(num_steps, duration_s)
        self._fastest_direct_s[num_steps] = min(fastest_s, duration_s)

    def is_measured(self, with_future_images: bool) -> bool:
        """Return whether everything that a plan takes was measured before."""
        return bool(self._evaluations) and with_future_images in self._answers_s

    def fastest_direct_s(self, num_steps: int) -> float:
        """Return the shortest direct query so far in [s]; 0 if there was none."""
        return self._fastest_direct_s.get(num_steps, 0.0)

    def expected_s(self, batches: Iterable[Batch]) -> float:
        """Return how long batches take at most, one after the other, in [s]."""
        return MARGIN * sum(batch.num_evaluations * self._evaluation_s(len(batch.samples))
                            for batch in batches)

    def expected_answer_s(self, with_future_images: bool) -> float:
        """Return how long the answer takes at most, once a sample is chosen, in [s]."""
        return MARGIN * max(self._answers_s[with_future_images])

    def _evaluation_s(self, size: int) -> float:
        return max(duration_s * max(1.0, size / measured)
                   for measured, duration_s in self._evaluations)
