# SPDX-License-Identifier: Apache-2.0
"""The Wilson interval: published values, and what holds for all counts."""

from hypothesis import given, strategies as st
import pytest

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.evaluation.success import wilson_interval

COUNTS = st.integers(1, 500).flatmap(
    lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@pytest.mark.parametrize(('successes', 'trials', 'expected'), [
    (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)),
    (1, 29, (0.0061, 0.1718)), (29, 29, (0.8830, 1.0))])
def test_interval_matches_newcombe_1998(successes, trials, expected):
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=5e-5)


@given(COUNTS)
def test_interval_holds_the_observed_share_and_stays_a_probability(counts):
    low, high = wilson_interval(*counts)
    assert 0.0 <= low <= counts[0] / counts[1] <= high <= 1.0


@given(COUNTS)
def test_failures_mirror_successes(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert wilson_interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@given(COUNTS)
def test_more_trials_and_less_confidence_narrow_the_interval(counts):
    def width(successes, trials, **options):
        low, high = wilson_interval(successes, trials, **options)
        return high - low

    successes, trials = counts
    assert width(10 * successes, 10 * trials) < width(successes, trials)
    assert width(successes, trials, confidence=0.5) < width(successes, trials)


@pytest.mark.parametrize(('counts', 'confidence'), [
    ((1, 0), 0.95), ((0, 0), 0.95), ((3, 2), 0.95), ((-1, 2), 0.95), ((1, 2), 0.0),
    ((1, 2), 1.0), ((1, 2), float('nan'))])
def test_impossible_counts_are_refused(counts, confidence):
    with pytest.raises(ConfigurationError):
        wilson_interval(*counts, confidence=confidence)
