# SPDX-License-Identifier: Apache-2.0
"""How sure a success rate is."""

from __future__ import annotations

import math
from statistics import NormalDist

from cosmos_policy_ros.errors import ConfigurationError


def wilson_interval(
    successes: int, trials: int, *, confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the Wilson score interval of a success probability.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        successes: Trials that succeeded.
        trials: All trials, at least one.
        confidence: Share of such intervals that hold the true probability, in (0, 1).

    Raises:
        ConfigurationError: If the counts or the confidence are impossible.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ConfigurationError(
            f'{successes} successes of {trials} trials; allowed is 0 to the number of trials, of '
            'which there must be one')
    if not 0.0 < confidence < 1.0:
        raise ConfigurationError(f'confidence is {confidence}; allowed is between 0 and 1')
    n, p = trials, successes / trials
    z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At 0 and n successes one end is exactly 0 or 1, which rounding would miss.
    low = 0.0 if successes == 0 else centre - half_width
    high = 1.0 if successes == trials else centre + half_width
    return low, high
