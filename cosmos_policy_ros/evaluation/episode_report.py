# SPDX-License-Identifier: Apache-2.0
"""What a report says about an episode."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How a duration was distributed, in [s]."""

    count: int
    mean_s: float
    p50_s: float
    p99_s: float
    max_s: float


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
        stages: Stage of a query to its wall time.
        first_value: Expected success in the first answer.
        last_value: Expected success in the last answer.
    """

    policy: str
    is_trained: bool
    modes: str
    chunks: int
    latency: Distribution
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
    """

    name: str
    tracking_rms: float | None
    tracking_max: float | None
    speed_max: float | None


@dataclass(frozen=True, kw_only=True)
class ArmReport:
    """What the arm node did during the episode.

    Attributes:
        counters: Its counters, as increase over the episode.
        stop_reasons: Reasons to hold in the order of their first appearance.
        moving_share: Share of its status messages that say it moved, 0 to 1.
    """

    counters: dict[str, int]
    stop_reasons: tuple[str, ...]
    moving_share: float


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
        arm: What the arm node did.
        control_period: Time between two commands to the first arm.
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
    arm: ArmReport | None
    control_period: Distribution | None
    streams: tuple[StreamReport, ...]
    joints: tuple[JointReport, ...]
    refused_samples: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as values that JSON can hold."""
        return asdict(self)
