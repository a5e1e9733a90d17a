# SPDX-License-Identifier: Apache-2.0
"""Moving chunks a little, at random: what a policy that is sure of itself would never try."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.spec.minimum_jerk import minimum_jerk

# Share of a chunk over which it leaves its own course; the takeover from the last chunk is over.
_RISE = 0.2


def chunk_variation(
    seed: int | Sequence[int], chunk_shape: tuple[int, int], spread: float,
) -> np.ndarray:
    """Return what to add to a chunk; the same for the same seed.

    Every joint moves from its own course to one beside it by a minimum-jerk rise over the first
    fifth of the chunk, and stays there. How far is normal.

    Args:
        seed: Seed, one or several numbers from 0.
        chunk_shape: Actions and joints of a chunk: (K, A).
        spread: Standard deviation in [rad], for grippers in shares of their travel.

    Returns:
        Shape (K, A).
    """
    num_actions, num_joints = chunk_shape
    share = np.minimum(np.arange(num_actions) / (_RISE * num_actions), 1.0)[:, None]
    return minimum_jerk(share) * np.random.default_rng(seed).normal(0.0, spread, num_joints)
