# SPDX-License-Identifier: Apache-2.0
"""Plots of an episode with a cursor that moves: drawn once, then one line per frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries, JointTrack

_DOTS_PER_INCH = 100
_ROW_PX, _LEGEND_PX, _FOOT_PX = 160, 36, 40
# What a joint is told to hold is a line, not a mountain of what it trembles.
_LEAST_SPAN = 0.2
_BACKGROUND, _INK, _MUTED, _GRID = '#181c22', '#f0f3f6', '#a0aab4', '#3a424c'
_MEASURED, _COMMANDED, _CHOSEN = '#5fb3f2', '#ff8a5c', '#ffb042'
_CURSOR = (255, 255, 255)


class _Window(NamedTuple):
    """Where a plot lies in the picture, in [px]."""

    left: int
    right: int
    top: int
    bottom: int


class MovingPlots:
    """Joints of all arms, and values if there are any, with a line at the shown time."""

    def __init__(self, series: EpisodeSeries, *, width_px: int) -> None:
        """Draw the plots.

        Args:
            series: What happened.
            width_px: Width of the picture in [px].
        """
        self._duration_s = max(series.duration_s, 1e-3)
        height_px = _num_rows(series) * _ROW_PX + _FOOT_PX
        figure = Figure(figsize=(width_px / _DOTS_PER_INCH, height_px / _DOTS_PER_INCH),
                        dpi=_DOTS_PER_INCH, facecolor=_BACKGROUND)
        plots = _draw(figure, series, self._duration_s)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self._picture = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
        self._windows = [_window(plot, len(self._picture)) for plot in plots]

    @property
    def height_px(self) -> int:
        """Height of the picture in [px], even."""
        return len(self._picture)

    def at(self, time_s: float) -> np.ndarray:
        """Return the picture with the line at a time since the start in [s], (H, W, 3) uint8."""
        picture = self._picture.copy()
        share = min(max(time_s / self._duration_s, 0.0), 1.0)
        for window in self._windows:
            column = round(window.left + share * (window.right - window.left))
            picture[window.top:window.bottom, max(column - 1, 0):column + 1] = _CURSOR
        return picture


def _num_rows(series: EpisodeSeries) -> int:
    """Rows of plots: one for each arm, and one for values if there are any."""
    return 3 if series.chunks else 2


def _draw(figure: Figure, series: EpisodeSeries, duration_s: float) -> list[Axes]:
    columns = max(1, len(series.joints) // 2)
    height_px = figure.get_figheight() * _DOTS_PER_INCH
    grid = figure.add_gridspec(
        _num_rows(series), columns, left=0.035, right=0.99, hspace=0.45, wspace=0.32,
        top=1.0 - _LEGEND_PX / height_px, bottom=_FOOT_PX / height_px)
    plots = []
    for index, track in enumerate(series.joints):
        plot = figure.add_subplot(grid[index // columns, index % columns])
        _draw_joint(plot, track)
        plots.append(plot)
    if series.chunks:
        plots.append(figure.add_subplot(grid[2, :]))
        _draw_values(plots[-1], series)
    for plot in plots:
        plot.set_xlim(0.0, duration_s)
        _style(plot)
    if series.joints:
        figure.legend(*plots[0].get_legend_handles_labels(), loc='upper right', ncols=2,
                      frameon=False, labelcolor=_MUTED, fontsize=8)
    figure.text(0.99, 6 / height_px, 'time [s]', ha='right', color=_MUTED, fontsize=7)
    return plots


def _draw_joint(plot: Axes, track: JointTrack) -> None:
    plot.step(track.commanded_times_s, track.commanded, where='post', color=_COMMANDED, lw=1.4,
              label='commanded')
    plot.plot(track.measured_times_s, track.measured, color=_MEASURED, lw=1.0, label='measured')
    unit = '' if track.is_gripper else ' [rad]'
    plot.set_title(f'{track.name.replace("_", " ")}{unit}', loc='left', fontsize=7.5,
                   color=_INK, pad=2)
    low, high = plot.get_ylim()
    missing = max(0.0, _LEAST_SPAN - (high - low))
    plot.set_ylim(low - missing / 2, high + missing / 2)


def _draw_values(plot: Axes, series: EpisodeSeries) -> None:
    candidates = [(plan.stamp_s, value) for plan in series.plans for value in plan.values
                  if value is not None]
    plot.plot(*_columns(candidates), 'o', ms=3, color=_MUTED, label='candidates')
    plot.plot(*_columns([(chunk.stamp_s, chunk.value) for chunk in series.chunks]),
              color=_CHOSEN, marker='o', ms=4, lw=1.2, label='value of what was done')
    plot.set_ylim(-0.05, 1.05)
    plot.set_title('value of plans and action chunks', loc='left', fontsize=7.5, color=_INK,
                   pad=2)
    if candidates:
        plot.legend(loc='upper right', frameon=False, fontsize=7, ncols=2, labelcolor=_MUTED)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def _style(plot: Axes) -> None:
    plot.set_facecolor(_BACKGROUND)
    plot.grid(color=_GRID, lw=0.6)
    plot.tick_params(colors=_MUTED, labelsize=6.5, length=0, pad=1)
    for spine in plot.spines.values():
        spine.set_visible(False)


def _window(plot: Axes, height_px: int) -> _Window:
    box = plot.get_window_extent()
    return _Window(left=round(box.x0), right=round(box.x1), top=height_px - round(box.y1),
                   bottom=height_px - round(box.y0))
