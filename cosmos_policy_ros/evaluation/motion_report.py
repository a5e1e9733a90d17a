# SPDX-License-Identifier: Apache-2.0
"""An episode in figures: streams, chunks, control, joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cosmos_policy_ros.evaluation.episode_report import (
    ArmReport, Distribution, EpisodeReport, Histogram, JointReport, PolicyReport, StreamReport)
from cosmos_policy_ros.evaluation.episode_series import (
    ArmSample, ChunkSample, EpisodeSeries, JointTrack)
from cosmos_policy_ros.evaluation.episode_topics import EpisodeTopics
from cosmos_policy_ros.evaluation.motion_quality import (
    histogram, idle_share, jerk_rms, report_seams)
from cosmos_policy_ros.evaluation.plan_series import report_plans
from cosmos_policy_ros.recording.reader import EpisodeReader, TopicStatistics

# A target older than this is no target any more: commands come at 50 Hz.
_LATEST_COMMAND_AGE_S = 0.1
# Differences over single samples would measure the noise of the encoders.
_SPEED_WINDOW_S = 0.05


def compute_report(
    reader: EpisodeReader, series: EpisodeSeries, topics: EpisodeTopics,
) -> EpisodeReport:
    """Return an episode in figures."""
    metadata, label = reader.metadata, reader.metadata.label
    simulation = series.simulation_status[-1] if series.simulation_status else None
    return EpisodeReport(
        name=reader.path.name, task=metadata.task, robot=metadata.robot, mode=metadata.mode,
        seed=metadata.seed, outcome=label.outcome.value, score=label.score, note=label.note,
        duration_s=series.duration_s, size_bytes=reader.size_bytes,
        is_success=simulation.is_success if simulation else None,
        task_stage=simulation.stage if simulation else None,
        policy=_report_policy(series.chunks), planning=report_plans(series.plans),
        arm=_report_arm(series.arm_status),
        control_period=_distribution(np.diff(series.control_times_s)),
        control_rate_histogram=_rate_histogram(series.control_times_s),
        seams=report_seams(series),
        streams=tuple(_report_stream(topic, series, topics) for topic in reader.topics.values()),
        joints=tuple(_report_joint(track, series.arm_status) for track in series.joints),
        refused_samples=series.refused_samples)


def tracking_error(track: JointTrack) -> np.ndarray:
    """Return measurement minus the newest command, where that is fresh. Shape (N,)."""
    newest = np.searchsorted(track.commanded_times_s, track.measured_times_s, side='right') - 1
    has_command = newest >= 0
    newest, times_s = newest[has_command], track.measured_times_s[has_command]
    is_fresh = times_s - track.commanded_times_s[newest] <= _LATEST_COMMAND_AGE_S
    return (track.measured[has_command] - track.commanded[newest])[is_fresh]


def _distribution(durations_s: Sequence[float] | np.ndarray) -> Distribution | None:
    if not len(durations_s):
        return None
    p50_s, p99_s = np.percentile(durations_s, [50, 99])
    return Distribution(count=len(durations_s), mean_s=float(np.mean(durations_s)),
                        p50_s=float(p50_s), p99_s=float(p99_s), max_s=float(np.max(durations_s)))


def _rate_histogram(control_times_s: np.ndarray) -> Histogram | None:
    periods_s = np.diff(control_times_s)
    # Commands that were logged at one moment have no rate.
    return histogram(1 / periods_s[periods_s > 0]) if (periods_s > 0).any() else None


def _report_stream(
    topic: TopicStatistics, series: EpisodeSeries, topics: EpisodeTopics,
) -> StreamReport:
    start_s = end_s = None
    if topic.count:
        start_s = (topic.first_ns - series.start_ns) / 1e9
        end_s = series.duration_s - (topic.last_ns - series.start_ns) / 1e9
    return StreamReport(
        topic=topic.name, is_camera=topic.name in topics.cameras.values(), count=topic.count,
        rate_hz=topic.rate_hz, largest_gap_s=topic.largest_gap_s, silent_start_s=start_s,
        silent_end_s=end_s)


def _report_policy(chunks: Sequence[ChunkSample]) -> PolicyReport | None:
    if not chunks:
        return None
    stages: dict[str, list[float]] = {}
    for chunk in chunks:
        for name, duration_s in chunk.stages_s.items():
            stages.setdefault(name, []).append(duration_s)
    return PolicyReport(
        policy=', '.join(dict.fromkeys(chunk.policy for chunk in chunks)),
        is_trained=all(chunk.is_trained for chunk in chunks),
        modes=', '.join(dict.fromkeys(chunk.mode for chunk in chunks)),
        chunks=len(chunks), latency=_distribution([chunk.latency_s for chunk in chunks]),
        latency_histogram=histogram([chunk.latency_s for chunk in chunks]),
        stages={name: _distribution(durations) for name, durations in stages.items()},
        first_value=chunks[0].value, last_value=chunks[-1].value)


def _report_arm(samples: Sequence[ArmSample]) -> ArmReport | None:
    if not samples:
        return None
    first, last = samples[0].counters, samples[-1].counters
    reasons = dict.fromkeys(sample.stop_reason for sample in samples)
    return ArmReport(
        counters={name: last[name] - first[name] for name in last},
        stop_reasons=tuple(reason for reason in reasons if reason not in ('', 'none')),
        moving_share=sum(sample.state == 'moving' for sample in samples) / len(samples),
        idle_share=idle_share(samples),
        strategies=tuple(dict.fromkeys(
            sample.strategy for sample in samples if sample.strategy)))


def _report_joint(track: JointTrack, arm_status: Sequence[ArmSample]) -> JointReport:
    error = np.abs(tracking_error(track))
    speed = _speed(track)
    return JointReport(
        name=track.name,
        tracking_rms=float(np.sqrt(np.mean(error**2))) if len(error) else None,
        tracking_max=float(error.max()) if len(error) else None,
        speed_max=float(speed.max()) if len(speed) else None,
        jerk_rms=jerk_rms(track, arm_status))


def _speed(track: JointTrack) -> np.ndarray:
    """Magnitude of the mean speed over the speed window, per second. Shape (<= N,)."""
    order = np.argsort(track.measured_stamps_s, kind='stable')
    stamps_s, measured = track.measured_stamps_s[order], track.measured[order]
    later = np.searchsorted(stamps_s, stamps_s + _SPEED_WINDOW_S)
    is_inside = later < len(stamps_s)
    later = later[is_inside]
    return np.abs(measured[later] - measured[is_inside]) / (stamps_s[later] - stamps_s[is_inside])
