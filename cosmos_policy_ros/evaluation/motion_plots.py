# SPDX-License-Identifier: Apache-2.0
"""Plots of how continuous a motion was."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
import numpy as np

from cosmos_policy_ros.evaluation.episode_plots import (
    COLUMN_IN, COMMANDED, MEASURED, MUTED, style, WIDTH_IN)
from cosmos_policy_ros.evaluation.episode_report import Histogram, SeamReport
from cosmos_policy_ros.evaluation.episode_series import ArmSample, EpisodeSeries
from cosmos_policy_ros.evaluation.motion_quality import border_times, command_steps

_MANY = 50
_BORDER = '#f2c879'
_STATE_COLOURS = {
    'moving': '#2f9e63', 'waiting': '#f2b134', 'positioning': '#6c8ebf', 'holding': '#c0392b',
    'inactive': '#cbd2d9'}


def plot_continuity(series: EpisodeSeries, seams: SeamReport | None) -> Figure:
    """Draw what the arms did, and the changes of commanded speed with the borders of chunks."""
    figure = Figure(figsize=(WIDTH_IN, 3.1), layout='constrained')
    states, speeds = figure.subplots(
        2, 1, sharex=True, gridspec_kw={'height_ratios': (0.16, 1.0)})
    _draw_states(states, series.arm_status, series.duration_s)
    _draw_speed_steps(speeds, series, seams)
    speeds.set_xlim(0.0, max(series.duration_s, 1e-3))
    handles, labels = [], []
    for axes in (states, speeds):
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.append(handle)
            labels.append(label)
    if handles:
        figure.legend(handles, labels, loc='outside upper center', ncols=len(handles),
                      frameon=False, fontsize=8)
    return figure


def plot_histogram(histogram: Histogram, label: str, *, scale: float = 1.0) -> Figure:
    """Draw a histogram; `scale` turns its unit into that of the label."""
    figure = Figure(figsize=(COLUMN_IN, 2.6), layout='constrained')
    axes = figure.subplots()
    edges = scale * np.array(histogram.edges)
    axes.bar(edges[:-1], histogram.counts, width=np.diff(edges), align='edge', color=MEASURED)
    if max(histogram.counts) > _MANY:
        # What is rare is what matters there.
        axes.set_yscale('log')
        axes.set_ylim(bottom=0.7)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(f'{label}; the last bar holds all beyond', color=MUTED, fontsize=9)
    axes.set_ylabel('count', color=MUTED)
    style(axes)
    return figure


def _draw_states(axes: Axes, samples: Sequence[ArmSample], duration_s: float) -> None:
    ends_s = [*(sample.time_s for sample in samples[1:]), duration_s]
    for state, colour in _STATE_COLOURS.items():
        spans = [(sample.time_s, end_s - sample.time_s)
                 for sample, end_s in zip(samples, ends_s) if sample.state == state]
        if spans:
            axes.broken_barh(spans, (0, 1), color=colour, label=state, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    style(axes)
    axes.grid(visible=False)
    axes.tick_params(labelbottom=False)


def _draw_speed_steps(axes: Axes, series: EpisodeSeries, seams: SeamReport | None) -> None:
    for number, border_s in enumerate(border_times(series)):
        axes.axvline(border_s, color=_BORDER, lw=1.4, zorder=0,
                     label='new chunk' if number == 0 else None)
    arms = [steps for steps in command_steps(series) if len(steps.times_s)]
    for number, steps in enumerate(arms):
        axes.plot(steps.times_s, steps.speed_steps, color=(MEASURED, '#7fb3d5')[number % 2],
                  lw=0.9, label=f'arm {number + 1}')
    if seams is not None:
        axes.axhline(seams.inside_speed_step_p99, color=COMMANDED, lw=1.0, ls='--',
                     label='99th percentile inside chunks')
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel('time [s]', color=MUTED)
    axes.set_ylabel('change of speed [rad/s]', color=MUTED, fontsize=9)
    style(axes)
