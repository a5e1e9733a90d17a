# SPDX-License-Identifier: Apache-2.0
"""Seeds of queries: repeatable, apart from one another, within what noise can be drawn from."""

from hypothesis import given
from hypothesis import strategies as st

from cosmos_policy_ros.policy.query_seed import query_seed

SEEDS = st.integers(0, 2**32 - 1)
MOMENTS = st.lists(st.integers(0, 2**63 - 1), max_size=3)


@given(seed=SEEDS, moment=MOMENTS)
def test_the_same_moment_has_the_same_seed_which_leaves_room_for_candidates(seed, moment):
    drawn = query_seed(seed, *moment)
    assert drawn == query_seed(seed, *moment)
    assert 0 <= drawn < 2**31


def test_moments_and_seeds_have_seeds_of_their_own():
    drawn = {query_seed(seed, episode, query * 40_000_000)
             for seed in (0, 195) for episode in range(20) for query in range(50)}
    assert len(drawn) > 1990
