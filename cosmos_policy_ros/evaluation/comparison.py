# SPDX-License-Identifier: Apache-2.0
"""Two policies, or two settings of one, on the same seeds: which is better, and how sure is it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from statistics import NormalDist

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Outcomes of two sides on the same seeds.

    Attributes:
        num_both: Seeds on which both succeeded.
        num_first_only: Seeds on which only the first did.
        num_second_only: Seeds on which only the second did.
        num_neither: Seeds on which neither did.
    """

    num_both: int
    num_first_only: int
    num_second_only: int
    num_neither: int

    @property
    def num_pairs(self) -> int:
        """Seeds that both sides ran."""
        return self.num_both + self.num_first_only + self.num_second_only + self.num_neither

    @property
    def difference(self) -> float:
        """Success rate of the second less that of the first."""
        return (self.num_second_only - self.num_first_only) / self.num_pairs

    @property
    def p_value(self) -> float:
        """Probability of at least this imbalance if both were equally good; McNemar, exact."""
        discordant = self.num_first_only + self.num_second_only
        fewer = min(self.num_first_only, self.num_second_only)
        tail = sum(math.comb(discordant, k) for k in range(fewer + 1)) / 2**discordant
        return min(1.0, 2 * tail)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return an interval of the difference.

        The adjusted Wald interval of Agresti and Min, "Simple improved confidence intervals for
        comparing matched proportions", 2005: half a pair is added to each of the four counts.

        Raises:
            ConfigurationError: If the confidence is not between 0 and 1.
        """
        if not 0.0 < confidence < 1.0:
            raise ConfigurationError(f'confidence is {confidence}; allowed is between 0 and 1')
        b, c, n = self.num_first_only + 0.5, self.num_second_only + 0.5, self.num_pairs + 2.0
        centre = (c - b) / n
        half_width = (NormalDist().inv_cdf((1 + confidence) / 2)
                      * math.sqrt(b + c - (c - b)**2 / n) / n)
        return max(-1.0, centre - half_width), min(1.0, centre + half_width)


def compare_rollouts(
    first: Sequence[Rollout], second: Sequence[Rollout],
) -> PairedComparison:
    """Pair rollouts by their seeds.

    Raises:
        ConfigurationError: If the two sides did not run the same seeds, each once.
    """
    outcomes = [{rollout.seed: rollout.is_success for rollout in side}
                for side in (first, second)]
    seeds = [sorted(rollout.seed for rollout in side) for side in (first, second)]
    if seeds[0] != seeds[1] or not seeds[0] or len(outcomes[0]) != len(first):
        raise ConfigurationError(
            f'the two sides ran {len(first)} and {len(second)} episodes, of which '
            f'{len(set(seeds[0]) & set(seeds[1]))} have a seed in common; a paired comparison '
            'needs the same seeds on both sides, each once')
    pairs = [(outcomes[0][seed], outcomes[1][seed]) for seed in seeds[0]]
    return PairedComparison(
        num_both=pairs.count((True, True)), num_first_only=pairs.count((True, False)),
        num_second_only=pairs.count((False, True)), num_neither=pairs.count((False, False)))
