# SPDX-License-Identifier: Apache-2.0
"""What a report says about an episode."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cosmos_policy_ros.evaluation.plan_series import PlanReport


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How a duration was distributed, in [s]."""

    count: int
    mean_s: float
    p50_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often a quantity fell between two edges; the last bin also holds what lies beyond.

    Attributes:
        edges: The edges, one more than counts.
        counts: How often.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Median and 99th percentile of a quantity."""

    p50: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class SeamReport:
    """Whether the commands show where one chunk took over from another.

    All figures are the largest of the joints of an arm, grippers left out. A border is a chunk
    that came while the arms moved along another; it covers the first commands after it.

    Attributes:
        borders: Number of borders.
        position_step: From one command to the next at borders, in [rad].
        speed_step: Change of speed from one command to the next at borders, in [rad/s].
        inside_position_step_p99: 99th percentile of the former while moving elsewhere, in [rad].
        inside_speed_step_p99: 99th percentile of the latter while moving elsewhere, in [rad/s].
        disagreement: Distance between the targets of the old and the new chunk at borders, in
            [rad], which a hard switch would have made a step; None if no two chunks overlapped.
    """

    borders: int
    position_step: Quantiles
    speed_step: Quantiles
    inside_position_step_p99: float
    inside_speed_step_p99: float
    disagreement: Quantiles | None


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """How a topic was received.

    Attributes:
        topic: Name of the topic.
        is_camera: Whether it carries images of a camera.
        count: Number of messages.
        rate_hz: Mean rate in [Hz]; None with fewer than two messages.
        largest_gap_s: Longest time between two messages in [s]; None with fewer than two.
        silent_start_s: From the start of the episode to the first message in [s].
        silent_end_s: From the last message to the end of the episode in [s].
    """

    topic: str
    is_camera: bool
    count: int
    rate_hz: float | None
    largest_gap_s: float | None
    silent_start_s: float | None
    silent_end_s: float | None


@dataclass(frozen=True, kw_only=True)
class PolicyReport:
    """What the policy did.

    Attributes:
        policy: Names of the policies that answered.
        is_trained: False if any answer came from random weights.
        modes: How chunks were chosen.
        chunks: Number of chunks.
        latency: From observation to reception of the chunk.
        latency_histogram: The same, in [s].
        stages: Stage of a query to its wall time.
        first_value: Expected success in the first answer.
        last_value: Expected success in the last answer.
    """

    policy: str
    is_trained: bool
    modes: str
    chunks: int
    latency: Distribution
    latency_histogram: Histogram
    stages: dict[str, Distribution]
    first_value: float
    last_value: float


@dataclass(frozen=True, kw_only=True)
class JointReport:
    """How one joint moved; angles in [rad], openings without unit.

    Attributes:
        name: Name in the joint vector.
        tracking_rms: Root mean square of measurement minus newest command; None without either.
        tracking_max: Largest of its magnitudes.
        speed_max: Highest speed per second over 50 ms; None with too few measurements.
        jerk_rms: Root mean square of the third difference of the commands while moving, per
            [s^3] of the nominal period; None with too few commands.
    """

    name: str
    tracking_rms: float | None
    tracking_max: float | None
    speed_max: float | None
    jerk_rms: float | None


@dataclass(frozen=True, kw_only=True)
class ArmReport:
    """What the arm node did during the episode.

    Attributes:
        counters: Its counters, as increase over the episode.
        stop_reasons: Reasons to hold in the order of their first appearance.
        moving_share: Share of its status messages that say it moved, 0 to 1.
        idle_share: Share of the time since the start, 0 to 1, without motion along a chunk; holds
            and ways to a pose do not count. None if the arms were never started.
        strategies: How chunks followed one another, in the order of their first appearance.
    """

    counters: dict[str, int]
    stop_reasons: tuple[str, ...]
    moving_share: float
    idle_share: float | None
    strategies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EpisodeReport:
    """An episode in figures. A part that the episode does not hold is None.

    Attributes:
        name: Name of the episode.
        task: Text of the task.
        robot: Name of the robot preset.
        mode: Who drove, as the recorder was told.
        seed: Seed of the episode.
        outcome: How it was labelled.
        score: Score of the label.
        note: Note of the label.
        duration_s: From the first to the last message in [s].
        size_bytes: Size on disk in [B].
        is_success: Whether the simulation found the task done by the end.
        task_stage: How far the simulation found the task at the end, in words.
        policy: What the policy did.
        planning: What planning did.
        arm: What the arm node did.
        control_period: Time between two commands to the first arm.
        control_rate_histogram: Its inverse in [Hz].
        seams: How smoothly chunks followed one another; None without a border.
        streams: How each topic was received.
        joints: How each joint moved.
        refused_samples: Measurements and commands left out because they cannot be true.
    """

    name: str
    task: str
    robot: str
    mode: str
    seed: int | None
    outcome: str
    score: float | None
    note: str
    duration_s: float
    size_bytes: int
    is_success: bool | None
    task_stage: str | None
    policy: PolicyReport | None
    planning: PlanReport | None = None
    arm: ArmReport | None
    control_period: Distribution | None
    control_rate_histogram: Histogram | None
    seams: SeamReport | None
    streams: tuple[StreamReport, ...]
    joints: tuple[JointReport, ...]
    refused_samples: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as values that JSON can hold."""
        return asdict(self)
