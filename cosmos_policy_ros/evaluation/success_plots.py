# SPDX-License-Identifier: Apache-2.0
"""Plot of success rates with their intervals."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
import numpy as np

from cosmos_policy_ros.evaluation.episode_plots import GRID, INK, MEASURED, MUTED
from cosmos_policy_ros.evaluation.evaluation_result import EvaluationResult

_WIDTH_IN = 7.5


def plot_success(results: Mapping[str, EvaluationResult]) -> Figure:
    """Draw the success rate of each evaluation as a bar, with its Wilson interval.

    Args:
        results: What was evaluated, in the words of the reader, to what came of it.
    """
    figure = Figure(figsize=(_WIDTH_IN, 0.5 * len(results) + 1.0), layout='constrained')
    axes = figure.subplots()
    rates = np.array([100 * result.success_rate for result in results.values()])
    bounds = 100 * np.array([result.interval for result in results.values()]).T  # (2, N)
    positions = np.arange(len(results))
    axes.barh(positions, rates, height=0.55, color=MEASURED,
              xerr=np.maximum(0.0, [rates - bounds[0], bounds[1] - rates]),
              error_kw={'ecolor': INK, 'capsize': 3, 'elinewidth': 1.2})
    for position, upper, result in zip(positions, bounds[1], results.values()):
        axes.annotate(f'{result.num_successes}/{len(result.rollouts)}', (upper, position),
                      xytext=(5, 0), textcoords='offset points', va='center', color=MUTED,
                      fontsize=8)
    axes.set_yticks(positions, list(results))
    axes.invert_yaxis()
    axes.set_xlim(0, 118)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel('success [%], Wilson 95 %', color=MUTED)
    axes.grid(axis='x', color=GRID)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    return figure
