# SPDX-License-Identifier: Apache-2.0
"""A motion in a few figures, whether it ran on the robot or in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cosmos_policy_ros.evaluation.episode_series import ArmSample, EpisodeSeries
from cosmos_policy_ros.evaluation.motion_quality import (
    idle_share, jerk_rms, split_steps, takeover_gaps)
from cosmos_policy_ros.evaluation.motion_report import tracking_error
from cosmos_policy_ros.robot.motion_settings import MotionSettings

CONTROL_PERIOD_S = 0.02
# A takeover lasts as long as a blend does.
TAKEOVER_COMMANDS = round(MotionSettings().blend_s / CONTROL_PERIOD_S) + 1


@dataclass(frozen=True, kw_only=True)
class MotionFigures:
    """How smoothly the arms moved. A figure that nothing tells is None.

    Attributes:
        chunks: Chunks received.
        latency_s: Median time from an observation to the receipt of its chunk in [s].
        idle_share: Share of the time without motion, from the first to the last chunk received.
        takeover: 99th percentiles of the largest change from one command to the next while a
            chunk takes over, of position in [rad] and of speed in [rad/s].
        inside: The same of all other commands while moving.
        disagreement_rad: Median distance of the old and the new chunk at takeovers in [rad].
        jerk_rms: Root mean square of the third difference of the commands, of the worst arm joint,
            in [rad/s^3].
        tracking_rms_rad: Root mean square of measurement minus newest command, of the worst arm
            joint, in [rad].
    """

    chunks: int
    latency_s: float | None
    idle_share: float | None
    takeover: tuple[float, float] | None
    inside: tuple[float, float] | None
    disagreement_rad: float | None
    jerk_rms: float | None
    tracking_rms_rad: float | None


def motion_figures(series: EpisodeSeries) -> MotionFigures:
    """Return the figures of a motion."""
    steps = split_steps(series, TAKEOVER_COMMANDS)
    gaps_rad = [np.abs(gap).max() for _, gap in takeover_gaps(series)]
    arms = [track for track in series.joints if not track.is_gripper]
    latencies_s = [chunk.latency_s for chunk in series.chunks]
    return MotionFigures(
        chunks=len(latencies_s),
        latency_s=float(np.median(latencies_s)) if latencies_s else None,
        idle_share=idle_share(_whole_cycles(series)), takeover=_p99(steps.at_borders),
        inside=_p99(steps.inside),
        disagreement_rad=float(np.median(gaps_rad)) if gaps_rad else None,
        jerk_rms=_worst([jerk_rms(track, series.arm_status) for track in arms]),
        tracking_rms_rad=_worst([_rms(tracking_error(track)) for track in arms]))


def _whole_cycles(series: EpisodeSeries) -> list[ArmSample]:
    """The states from the first to the last arrival of a chunk: pauses and motions in pairs."""
    arrivals_s = [chunk.stamp_s + chunk.latency_s for chunk in series.chunks]
    return [sample for sample in series.arm_status
            if arrivals_s and arrivals_s[0] < sample.time_s <= arrivals_s[-1]]


def _p99(steps: np.ndarray) -> tuple[float, float] | None:
    return tuple(np.percentile(steps, 99, axis=0).tolist()) if len(steps) else None


def _rms(errors: np.ndarray) -> float | None:
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else None


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
