# SPDX-License-Identifier: Apache-2.0
"""Plots of an episode. Figures are made without pyplot, so any thread may draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from cosmos_policy_ros.evaluation.episode_report import Distribution, JointReport
from cosmos_policy_ros.evaluation.episode_series import ChunkSample, EpisodeSeries, JointTrack

MEASURED, COMMANDED, PLANNED, GRID = '#1b6ca8', '#e4572e', '#9aa5b1', '#e3e8ee'
INK, MUTED = '#1f2933', '#627282'
WIDTH_IN = 10.5
# Of plots that stand side by side.
COLUMN_IN = 4.2
# A joint that stands still shall not look busy: the axes never span less.
_SMALLEST_SPAN = 0.1


def png_bytes(figure: Figure, *, dots_per_inch: int = 110) -> bytes:
    """Render a figure as PNG."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(
        buffer, format='png', dpi=dots_per_inch, facecolor='white')
    return buffer.getvalue()


def plot_joints(series: EpisodeSeries, reports: Sequence[JointReport]) -> Figure:
    """Draw target against measurement of every joint, one column per arm."""
    rows = len(series.joints) // 2
    height_in = 1.35 * rows + 0.8
    figure = Figure(figsize=(WIDTH_IN, height_in))
    grid = figure.subplots(rows, 2, sharex=True, squeeze=False, gridspec_kw={
        'left': 0.06, 'right': 0.98, 'bottom': 0.5 / height_in, 'top': 1.0 - 0.65 / height_in,
        'hspace': 0.32, 'wspace': 0.13})
    for index, (track, report) in enumerate(zip(series.joints, reports)):
        axes = grid[index % rows, index // rows]
        _draw_joint(axes, track, series.chunks, index)
        _title(axes, track, report)
    for axes in grid[-1]:
        axes.set_xlabel('time [s]', color=MUTED)
        axes.set_xlim(0.0, max(series.duration_s, 1e-3))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc='upper center', ncols=3, frameon=False)
    return figure


def plot_stages(stages: Mapping[str, Distribution], latency: Distribution) -> Figure:
    """Draw median and 99th percentile of each stage of a query and of the whole latency."""
    bars = {**stages, 'observation to chunk': latency}
    figure = Figure(figsize=(COLUMN_IN, 0.38 * len(bars) + 0.9), layout='constrained')
    axes = figure.subplots()
    positions = np.arange(len(bars))
    p50_ms = [1e3 * bar.p50_s for bar in bars.values()]
    p99_ms = [1e3 * bar.p99_s for bar in bars.values()]
    axes.barh(positions, p50_ms, color=MEASURED, height=0.62, label='median', zorder=3)
    axes.barh(positions, p99_ms, color='#c9dcea', height=0.62, label='99th percentile')
    for position, p50, p99 in zip(positions, p50_ms, p99_ms):
        axes.text(p99, position, f'  {p50:.3g} / {p99:.3g} ms', va='center', color=MUTED,
                  fontsize=8)
    axes.set_yticks(positions, list(bars))
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.35 * max(p99_ms))
    axes.set_xlabel('wall time [ms]', color=MUTED, fontsize=9)
    style(axes)
    axes.grid(axis='y', visible=False)
    figure.legend(loc='outside upper right', ncols=2, frameon=False, fontsize=8)
    return figure


def plot_value(chunks: Sequence[ChunkSample], duration_s: float) -> Figure:
    """Draw the expected success over time."""
    figure = Figure(figsize=(WIDTH_IN, 1.9), layout='constrained')
    axes = figure.subplots()
    axes.plot([chunk.stamp_s for chunk in chunks], [chunk.value for chunk in chunks],
              color=MEASURED, marker='o', ms=3, lw=1.2)
    axes.set_xlim(0.0, max(duration_s, 1e-3))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel('time of the observation [s]', color=MUTED)
    axes.set_ylabel('value', color=MUTED)
    style(axes)
    return figure


def style(axes: Axes) -> None:
    """Give axes the look of the report."""
    axes.grid(color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which='both', colors=MUTED, labelsize=8, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == 'bottom')
        spine.set_color(GRID)


def _draw_joint(
    axes: Axes, track: JointTrack, chunks: Sequence[ChunkSample], column: int,
) -> None:
    for number, chunk in enumerate(chunks):
        times_s = chunk.stamp_s + chunk.period_s * np.arange(1, len(chunk.positions) + 1)
        axes.plot(times_s, chunk.positions[:, column], color=PLANNED, lw=0.8, alpha=0.7,
                  label='action chunks' if number == 0 else None)
    axes.step(track.commanded_times_s, track.commanded, where='post', color=COMMANDED, lw=1.6,
              label='commanded')
    axes.plot(track.measured_times_s, track.measured, color=MEASURED, lw=1.0, label='measured')
    axes.set_ylabel('opening' if track.is_gripper else 'rad', color=MUTED, fontsize=8)
    low, high = axes.get_ylim()
    margin = max(0.0, _SMALLEST_SPAN - (high - low)) / 2
    axes.set_ylim(low - margin, high + margin)
    style(axes)


def _title(axes: Axes, track: JointTrack, report: JointReport) -> None:
    axes.set_title(track.name.replace('_', ' '), loc='left', fontsize=9, color=INK, pad=2)
    if report.tracking_rms is not None:
        scale, unit = (100.0, '%') if track.is_gripper else (1e3, 'mrad')
        axes.set_title(f'error rms {scale * report.tracking_rms:.1f}, '
                       f'max {scale * report.tracking_max:.1f} {unit}',
                       loc='right', fontsize=8, color=MUTED, pad=2)
