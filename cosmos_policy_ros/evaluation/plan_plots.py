# SPDX-License-Identifier: Apache-2.0
"""Plots of planning: every candidate's value with the winner, and how wrong predictions were."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cosmos_policy_ros.evaluation.episode_plots import (
    COMMANDED, MEASURED, MUTED, PLANNED, style, WIDTH_IN)
from cosmos_policy_ros.evaluation.plan_series import PlanSample, PredictionErrorSample


def plot_plans(plans: Sequence[PlanSample], duration_s: float) -> Figure:
    """Draw the values of all candidates over time, and how many of those asked for counted."""
    figure = Figure(figsize=(WIDTH_IN, 3.4), layout='constrained')
    values, counts = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
    points = [(plan.stamp_s, value) for plan in plans for value in plan.values
              if value is not None]
    winners = [(plan.stamp_s, plan.values[plan.winner_index]) for plan in plans
               if plan.values[plan.winner_index] is not None]
    values.plot(*_columns(points), 'o', ms=4, color=PLANNED, label='candidates')
    values.plot(*_columns(winners), 'o', ms=6, color=COMMANDED, label='chosen')
    values.set_ylim(-0.03, 1.03)
    values.set_ylabel('value', color=MUTED)
    values.legend(loc='upper right', frameon=False, fontsize=8, ncols=2)
    stamps_s = [plan.stamp_s for plan in plans]
    counts.step(stamps_s, [plan.num_requested for plan in plans], where='post', color=PLANNED,
                label='asked for')
    counts.plot(stamps_s, [plan.num_counted for plan in plans], 'o', ms=4, color=MEASURED,
                label='valued in time')
    counts.set_ylim(bottom=-0.4)
    counts.yaxis.set_major_locator(MaxNLocator(integer=True))
    counts.set_ylabel('candidates', color=MUTED)
    counts.legend(loc='lower right', frameon=False, fontsize=8, ncols=2)
    counts.set_xlim(0.0, max(duration_s, 1e-3))
    counts.set_xlabel('time of the observation [s]', color=MUTED)
    for axes in (values, counts):
        style(axes)
    return figure


def plot_prediction_errors(
    errors: Sequence[PredictionErrorSample], duration_s: float,
) -> Figure:
    """Draw the error of imagined images beside that of expecting no change, and of the joints."""
    figure = Figure(figsize=(WIDTH_IN, 3.0), layout='constrained')
    images, joints = figure.subplots(2, 1, sharex=True)
    seen = [error for error in errors if error.image_error is not None]
    images.plot([error.due_s for error in seen], [error.image_error for error in seen],
                marker='o', ms=3, lw=1.2, color=COMMANDED, label='imagined')
    images.plot([error.due_s for error in seen], [error.image_change for error in seen],
                marker='o', ms=3, lw=1.2, color=PLANNED, label='if nothing changed')
    images.set_ylabel('pixel error', color=MUTED)
    images.set_ylim(bottom=0.0)
    images.legend(loc='upper right', frameon=False, fontsize=8, ncols=2)
    joints.plot([error.due_s for error in errors], [error.proprio_rms for error in errors],
                marker='o', ms=3, lw=1.2, color=MEASURED)
    joints.set_ylabel('joints, rms [rad]', color=MUTED)
    joints.set_ylim(bottom=0.0)
    joints.set_xlim(0.0, max(duration_s, 1e-3))
    joints.set_xlabel('time that the prediction was for [s]', color=MUTED)
    for axes in (images, joints):
        style(axes)
    return figure


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]
