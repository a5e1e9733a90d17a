# SPDX-License-Identifier: Apache-2.0
"""What a step of an episode was worth: the discounted score at its end."""

from __future__ import annotations

import numpy as np

GAMMA = 0.998


def scaled_returns(num_steps: int, score: float, *, gamma: float = GAMMA) -> np.ndarray:
    """Return of every step of an episode whose only reward, its score, comes at the last step.

    The score of a half-done task counts half; the published training code divides by it, so that
    there only a score of zero makes a difference.

    Args:
        num_steps: Steps of the episode.
        score: Share of the task that was done, 0 to 1.
        gamma: Discount per step.

    Returns:
        Values in [-1, 1]. Shape (num_steps,), float32.
    """
    # One step after the other in single precision, as the values of the released models were.
    factors = np.full(num_steps, gamma, np.float32)
    factors[:1] = score
    return 2 * np.multiply.accumulate(factors)[::-1] - 1
