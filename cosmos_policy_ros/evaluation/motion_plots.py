# SPDX-License-Identifier: Apache-2.0
"""Plots of how continuous a motion was."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
import numpy as np

from cosmos_policy_ros.evaluation.episode_plots import (
    COLUMN_IN, COMMANDED, GRID, MEASURED, MUTED, PLANNED, style, WIDTH_IN)
from cosmos_policy_ros.evaluation.episode_report import Histogram, SeamReport
from cosmos_policy_ros.evaluation.episode_series import ArmSample, EpisodeSeries
from cosmos_policy_ros.evaluation.motion_quality import (
    border_times, command_steps, takeover_gaps)
from cosmos_policy_ros.evaluation.motion_trial import MotionTrial

_MANY = 50
# How much is shown before and after a takeover in [s].
_AROUND_S = 0.6
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


def plot_seams(trials: Sequence[MotionTrial], *, window_s: float = 5.0) -> Figure:
    """Draw the takeover of each trial at which the chunks differ most, and its speed steps.

    Args:
        trials: One row each.
        window_s: How much of the speed steps is shown, from the first chunk on, in [s].
    """
    figure = Figure(figsize=(WIDTH_IN, 2.2 * len(trials) + 0.5), layout='constrained')
    grid = figure.subplots(len(trials), 2, squeeze=False)
    for (takeover, steps), trial in zip(grid, trials):
        _draw_takeover(takeover, trial)
        _draw_speed_steps(steps, trial.series, None)
        first = trial.series.chunks[0]
        start_s = first.stamp_s + first.latency_s
        steps.set_xlim(start_s, start_s + window_s)
        for axes in (takeover, steps):
            axes.set_title(f'{trial.strategy.value}, {trial.latency_s:g} s', fontsize=9)
            axes.set_xlabel('')
    for axes in grid[0]:
        axes.legend(loc='upper right', fontsize=7, frameon=False)
    for axes in grid[-1]:
        axes.set_xlabel('time [s]', color=MUTED)
    return figure


def _draw_takeover(axes: Axes, trial: MotionTrial) -> None:
    """Draw targets of old and new chunk, switched at the arrival, and what was commanded."""
    joint, border_s = _widest_takeover(trial.series)
    track, arrivals_s = trial.series.joints[joint], []
    borders_s = set(border_times(trial.series).tolist())
    for number, chunk in enumerate(trial.series.chunks):
        arrivals_s.append(chunk.stamp_s + chunk.latency_s)
        # A chunk for arms at rest is played from its arrival on.
        stamp_s = chunk.stamp_s if arrivals_s[-1] in borders_s else arrivals_s[-1]
        due_s = stamp_s + chunk.period_s * np.arange(1, len(chunk.positions) + 1)
        axes.plot(due_s, chunk.positions[:, joint], '.', ms=3,
                  color=(PLANNED, _BORDER)[number % 2])
    axes.plot(track.commanded_times_s, track.commanded, color=COMMANDED, lw=1.2,
              label='commanded; dots: actions of the chunks')
    axes.axvline(border_s, color=GRID, lw=1.0, zorder=0)
    axes.set_xlim(border_s - _AROUND_S, border_s + _AROUND_S)
    is_near = np.abs(track.commanded_times_s - border_s) <= _AROUND_S
    low, high = np.min(track.commanded[is_near]), np.max(track.commanded[is_near])
    axes.set_ylim(low - 0.05, high + 0.05)
    axes.set_ylabel(f'{track.name} [rad]', color=MUTED, fontsize=9)
    style(axes)


def _widest_takeover(series: EpisodeSeries) -> tuple[int, float]:
    """Return joint and time of the largest gap; without any, the pause after the first chunk."""
    gaps = takeover_gaps(series)
    if gaps:
        time_s, gap = max(gaps, key=lambda item: np.abs(item[1]).max())
        return int(np.argmax(np.abs(gap))), time_s
    first = series.chunks[0]
    spans = [0.0 if track.is_gripper else np.ptp(track.commanded) for track in series.joints]
    end_s = first.stamp_s + first.latency_s + first.period_s * len(first.positions)
    return int(np.argmax(spans)), end_s
