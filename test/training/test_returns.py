# SPDX-License-Identifier: Apache-2.0
"""Returns: discounted scores."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.training.returns import scaled_returns


@given(steps=st.integers(1, 300), score=st.floats(0, 1), gamma=st.floats(0.5, 1))
def test_returns_rise_to_the_score_at_the_last_step(steps, score, gamma):
    returns = scaled_returns(steps, score, gamma=gamma)
    assert returns.shape == (steps,) and returns.dtype == np.float32
    assert returns[-1] == pytest.approx(2 * score - 1, abs=1e-6)
    assert (np.diff(returns) >= 0).all()
    assert (np.abs(returns) <= 1).all()


def test_half_a_task_is_worth_half_of_it():
    whole, half = scaled_returns(50, 1.0) + 1, scaled_returns(50, 0.5) + 1
    np.testing.assert_allclose(half, whole / 2, rtol=1e-6)


@pytest.mark.parametrize(('steps', 'gamma', 'step', 'expected'), [
    (10, 0.998, 0, 0.9642872), (10, 0.998, 5, 0.9840481), (1000, 0.998, 0, -0.7293226),
    (1000, 0.998, 500, -0.2634947), (300, 0.99, 0, -0.9009271), (300, 0.99, 150, -0.552622)])
def test_published_returns(steps, gamma, step, expected):
    assert scaled_returns(steps, 1.0, gamma=gamma)[step] == pytest.approx(expected, abs=1e-6)
