# SPDX-License-Identifier: Apache-2.0
"""The plot of success rates."""

import pytest

from cosmos_policy_ros.evaluation.episode_plots import png_bytes
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult
from cosmos_policy_ros.evaluation.rollout import ComputeTimes, Rollout
from cosmos_policy_ros.evaluation.success_plots import plot_success


def result(num_successes, num_episodes):
    """An evaluation whose first seeds succeeded."""
    times = ComputeTimes(physics_s=0.0, rendering_s=0.0, inference_s=0.0)
    return EvaluationResult(policy='tiny', rollouts=tuple(Rollout(
        seed=seed, is_success=seed < num_successes, score=0.0, stage='', duration_s=1.0,
        num_queries=1, times=times) for seed in range(num_episodes)))


def test_bars_are_rates_and_whiskers_wilson_intervals():
    results = {'none': result(0, 10), 'some': result(3, 12), 'all': result(10, 10)}
    figure = plot_success(results)
    axes, = figure.axes
    bars, whiskers = axes.patches, axes.collections[0].get_segments()
    for bar, whisker, expected in zip(bars, whiskers, results.values(), strict=True):
        assert bar.get_width() == pytest.approx(100 * expected.success_rate)
        assert whisker[:, 0] == pytest.approx([100 * bound for bound in expected.interval])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(results)
    assert png_bytes(figure).startswith(b'\x89PNG')
