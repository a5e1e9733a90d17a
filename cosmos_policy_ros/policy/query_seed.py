# SPDX-License-Identifier: Apache-2.0
"""The noise of a query that is not to repeat that of the query before."""

from __future__ import annotations

import numpy as np


def query_seed(seed: int, *moment: int) -> int:
    """Return the seed of one query: the same for the same moment, unlike that of any other.

    A policy that learnt several ways to do a thing chooses among them by its noise. With one seed
    for all queries it chooses alike every time, also after what it chose has failed.

    Args:
        seed: Seed of all queries.
        moment: Numbers that tell this query from others, from 0, such as its stamp in [ns].

    Returns:
        A seed below 2**31, so that those of candidates can be counted on from it.
    """
    return int(np.random.SeedSequence([seed, *moment]).generate_state(1)[0] >> 1)
