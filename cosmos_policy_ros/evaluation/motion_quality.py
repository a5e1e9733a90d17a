# SPDX-License-Identifier: Apache-2.0
"""How continuous a motion was: pauses, seams between chunks, jerk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from cosmos_policy_ros.evaluation.episode_report import Histogram, Quantiles, SeamReport
from cosmos_policy_ros.evaluation.episode_series import (
    ArmSample, ChunkSample, EpisodeSeries, JointTrack)

_HISTOGRAM_BINS = 40
# Commands further apart than this many periods belong to different motions.
_LARGEST_GAP_PERIODS = 2.5
# A step of the targets shows in the commands that follow the chunk's arrival.
_BORDER_COMMANDS = 3


@dataclass(frozen=True, kw_only=True)
class CommandSteps:
    """How the commands of one arm changed from one to the next; the largest of its joints.

    Attributes:
        times_s: Time of the command that ends the step, from the start of the episode. (N,)
        position_steps: In [rad]. Shape (N,).
        speed_steps: Change of speed against the step before, in [rad/s]. Shape (N,).
        is_moving: Whether the arms moved along a chunk. Shape (N,), bool.
    """

    times_s: np.ndarray
    position_steps: np.ndarray
    speed_steps: np.ndarray
    is_moving: np.ndarray


def histogram(values: Sequence[float] | np.ndarray) -> Histogram:
    """Return a histogram from 0 to twice the median, all that lies beyond in the last bin."""
    end = 2 * float(np.median(values)) or 1.0
    counts, edges = np.histogram(
        np.minimum(values, end), bins=np.linspace(0.0, end, _HISTOGRAM_BINS + 1))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def idle_share(samples: Sequence[ArmSample]) -> float | None:
    """Return the share of the started time without motion along a chunk; None if never started.

    A state lasts until the next status.
    """
    lasted_s = {'waiting': 0.0, 'moving': 0.0}
    for sample, following in zip(samples, samples[1:]):
        if sample.state in lasted_s:
            lasted_s[sample.state] += following.time_s - sample.time_s
    started_s = sum(lasted_s.values())
    return lasted_s['waiting'] / started_s if started_s else None


def is_moving(times_s: np.ndarray, samples: Sequence[ArmSample]) -> np.ndarray:
    """Return when the arms moved along a chunk; always, where no status tells. Shape (N,)."""
    if not samples:
        return np.ones(len(times_s), np.bool_)
    states = np.array([False, *(sample.state == 'moving' for sample in samples)])
    return states[np.searchsorted([sample.time_s for sample in samples], times_s, side='right')]


def jerk_rms(track: JointTrack, samples: Sequence[ArmSample]) -> float | None:
    """Return the root mean square of the commands' third difference while moving, per [s^3].

    Times are nominal: those of the log jitter, which three differences would make large.
    """
    times_s = track.commanded_times_s
    counts = _is_steady(times_s, 3) & is_moving(times_s[3:], samples)
    third = np.diff(track.commanded, n=3)[counts]
    return float(np.sqrt(np.mean((third / _period_s(times_s)**3)**2))) if len(third) else None


def command_steps(series: EpisodeSeries) -> list[CommandSteps]:
    """Return how the commands of each arm changed, grippers left out."""
    arms = groupby((track for track in series.joints if not track.is_gripper),
                   key=lambda track: track.name.split('_')[0])
    return [_steps(list(tracks), series.arm_status) for _, tracks in arms]


def border_times(series: EpisodeSeries) -> np.ndarray:
    """Return when chunks arrived while the arms moved along another, in [s]. Shape (B,)."""
    arrivals_s = np.array([chunk.stamp_s + chunk.latency_s for chunk in series.chunks[1:]])
    return arrivals_s[is_moving(arrivals_s, series.arm_status)]


@dataclass(frozen=True, kw_only=True)
class SplitSteps:
    """How the commands changed where chunks took over, and elsewhere while moving.

    Attributes:
        at_borders: Largest change of position in [rad] and of speed in [rad/s] at each border of
            each arm. Shape (N, 2).
        inside: The same of each command elsewhere. Shape (M, 2).
        num_borders: Number of borders.
    """

    at_borders: np.ndarray
    inside: np.ndarray
    num_borders: int


def split_steps(series: EpisodeSeries, num_commands: int = _BORDER_COMMANDS) -> SplitSteps:
    """Tell steps at borders, of as many commands after the arrival of a chunk, from others."""
    at_borders, inside, num_borders = [], [], 0
    for steps in command_steps(series):
        windows = _border_windows(steps, border_times(series), num_commands)
        both = np.stack([steps.position_steps, steps.speed_steps], axis=1)
        is_inside = steps.is_moving.copy()
        for window in windows:
            is_inside[window] = False
            at_borders.append(both[window].max(axis=0))
        inside.append(both[is_inside])
        num_borders = max(num_borders, len(windows))
    return SplitSteps(
        at_borders=np.array(at_borders).reshape(-1, 2),
        inside=np.concatenate(inside) if inside else np.empty((0, 2)), num_borders=num_borders)


def report_seams(series: EpisodeSeries) -> SeamReport | None:
    """Return how smoothly chunks followed one another; None if no chunk met a moving arm."""
    steps = split_steps(series)
    if not len(steps.at_borders) or not len(steps.inside):
        return None
    positions, speeds = steps.at_borders.T
    inside_positions, inside_speeds = np.percentile(steps.inside, 99, axis=0)
    disagreements = [abs(gap).max() for _, gap in takeover_gaps(series)]
    return SeamReport(
        borders=steps.num_borders, position_step=_quantiles(positions),
        speed_step=_quantiles(speeds), inside_position_step_p99=float(inside_positions),
        inside_speed_step_p99=float(inside_speeds),
        disagreement=_quantiles(disagreements) if disagreements else None)


def takeover_gaps(series: EpisodeSeries) -> list[tuple[float, np.ndarray]]:
    """Return when chunks took over while moving, in [s], and by how much they disagreed.

    That is what a hard switch would have made a step: the target of the new chunk minus that of
    the old one, 0 for grippers. Shape (A,).
    """
    is_arm_joint = np.array([not track.is_gripper for track in series.joints])
    arrivals_s = np.array([chunk.stamp_s + chunk.latency_s for chunk in series.chunks])
    # A chunk for arms at rest is played later than its stamp says.
    is_on_clock = is_moving(arrivals_s, series.arm_status)
    gaps = []
    for number, (old, new) in enumerate(zip(series.chunks, series.chunks[1:])):
        time_s = arrivals_s[number + 1]
        is_compared = is_on_clock[number:number + 2].all()
        if is_compared and _covers(old, time_s) and _covers(new, time_s):
            gap = _target_at(new, time_s) - _target_at(old, time_s)
            gaps.append((float(time_s), np.where(is_arm_joint, gap, 0.0)))
    return gaps


def _border_windows(
    steps: CommandSteps, borders_s: np.ndarray, num_commands: int,
) -> list[slice]:
    """The steps at each border that commands followed."""
    first = np.searchsorted(steps.times_s, borders_s)
    return [slice(index, index + num_commands)
            for index in first.tolist() if index < len(steps.times_s)]


def _steps(tracks: Sequence[JointTrack], samples: Sequence[ArmSample]) -> CommandSteps:
    times_s = tracks[0].commanded_times_s
    commands = np.array([track.commanded for track in tracks]).T
    is_steady = _is_steady(times_s, 2)
    first = np.diff(commands, axis=0)[1:][is_steady]
    second = np.diff(commands, n=2, axis=0)[is_steady] / _period_s(times_s)
    ends_s = times_s[2:][is_steady]
    return CommandSteps(
        times_s=ends_s, position_steps=np.abs(first).max(axis=1, initial=0.0),
        speed_steps=np.abs(second).max(axis=1, initial=0.0),
        is_moving=is_moving(ends_s, samples))


def _period_s(times_s: np.ndarray) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0


def _is_steady(times_s: np.ndarray, order: int) -> np.ndarray:
    """Which differences of that order span no pause. Shape (M - order,), bool."""
    if len(times_s) <= order:
        return np.empty(0, np.bool_)
    longest_s = _LARGEST_GAP_PERIODS * _period_s(times_s)
    return np.convolve(np.diff(times_s) > longest_s, np.ones(order), 'valid') == 0


def _covers(chunk: ChunkSample, time_s: float) -> bool:
    steps = (time_s - chunk.stamp_s) / chunk.period_s
    return 1 <= steps <= len(chunk.positions)


def _target_at(chunk: ChunkSample, time_s: float) -> np.ndarray:
    """The target on the straight line between the two actions around a time. Shape (A,)."""
    step = (time_s - chunk.stamp_s) / chunk.period_s - 1
    index = min(int(step), len(chunk.positions) - 2) if len(chunk.positions) > 1 else 0
    start, end = chunk.positions[[index, min(index + 1, len(chunk.positions) - 1)]]
    return start + (step - index) * (end - start)


def _quantiles(values: Sequence[float] | np.ndarray) -> Quantiles:
    p50, p99 = np.percentile(values, [50, 99])
    return Quantiles(p50=float(p50), p99=float(p99))
