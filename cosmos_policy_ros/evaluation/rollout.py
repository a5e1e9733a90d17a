# SPDX-License-Identifier: Apache-2.0
"""One episode of a policy in closed loop: how it was run, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import math
from typing import Any

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.robot.motion_settings import MotionSettings, QuerySettings


@dataclass(frozen=True, kw_only=True)
class RolloutSettings:
    """How a policy is run in closed loop.

    Attributes:
        task: Name of the simulated task.
        latency_s: Virtual time from a query to the arrival of its chunk in [s], while the arms
            move on.
        image_rate_hz: Images per camera in [Hz].
        recorded_image_rate_hz: Of those, how many a recording keeps in [Hz]; drawing them is most
            of what recording costs.
        timeout_s: Virtual time after which an episode has failed in [s].
        policy_seed: Seed of the policy's noise in every query, as the policy node has it.
        fresh_noise: Draw the noise of every query anew, by that seed, the episode and the moment.
        exploration: How far every chunk is moved at random (standard deviation) in [rad], for
            grippers in shares of their travel.
        num_denoising_steps: Denoising steps of a chunk; None for the policy's own choice.
        planning: How a query is planned; None to answer directly.
        motion: How the arms follow chunks.
        query: When the next chunk is asked for.

    Raises:
        ConfigurationError: If a time or rate is impossible.
    """

    task: str = 'transfer_cube'
    latency_s: float = 0.15
    image_rate_hz: float = 25.0
    recorded_image_rate_hz: float = 25.0
    timeout_s: float = 20.0
    policy_seed: int = 195
    fresh_noise: bool = False
    exploration: float = 0.0
    num_denoising_steps: int | None = None
    planning: PlanningSettings | None = None
    motion: MotionSettings = MotionSettings()
    query: QuerySettings = QuerySettings()

    def __post_init__(self) -> None:
        for name in ('latency_s', 'exploration'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f'{name} is {value}; a number from 0 is required')
        for name in ('image_rate_hz', 'recorded_image_rate_hz', 'timeout_s'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f'{name} is {value}; a number above 0 is required')
        if abs(self.images_per_recorded * self.recorded_image_rate_hz - self.image_rate_hz) > 1e-6:
            raise ConfigurationError(
                f'recorded_image_rate_hz is {self.recorded_image_rate_hz:g}; the '
                f'{self.image_rate_hz:g} images a second must be a whole multiple of it')

    @property
    def images_per_recorded(self) -> int:
        """Every how manieth image a recording keeps."""
        return round(self.image_rate_hz / self.recorded_image_rate_hz)

    @property
    def mode(self) -> str:
        """How a chunk is chosen: `direct` or `planning`."""
        return 'direct' if self.planning is None else 'planning'


@dataclass(frozen=True, kw_only=True)
class ComputeTimes:
    """Wall time that an episode took, by what it was spent on.

    Attributes:
        physics_s: Simulation, drivers, controller and recording in [s].
        rendering_s: Images in [s].
        inference_s: The policy in [s].
    """

    physics_s: float
    rendering_s: float
    inference_s: float


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What came of one episode. All but `times` is the same whenever it is run again.

    Attributes:
        seed: Seed of the scene.
        is_success: Whether the task was done by its strict rule in time.
        score: 1 for success, else the share of the task's stages that was reached.
        stage: The furthest stage that was reached.
        duration_s: Virtual duration in [s]; of a success, the time that it took.
        num_queries: Chunks asked for.
        values: Value of every chunk.
        value_spreads: How far the candidates of every plan that compared some were apart in value.
        chunk_spreads: How far the chunks of the same plans were apart, see `Plan.chunk_spread`.
        imagined_shares: How far what was imagined follows the chunks, of the plans that imagined,
            see `Plan.imagined_share`.
        stop_reason: Why the arms stopped by themselves; empty if they did not.
        times: Wall time.
        episode: Folder of the recorded episode; empty if it was not recorded.
    """

    seed: int
    is_success: bool
    score: float
    stage: str
    duration_s: float
    num_queries: int
    values: tuple[float, ...] = ()
    value_spreads: tuple[float, ...] = ()
    chunk_spreads: tuple[float, ...] = ()
    imagined_shares: tuple[float, ...] = ()
    stop_reason: str = ''
    times: ComputeTimes
    episode: str = ''

    def to_json(self) -> dict[str, Any]:
        """Return the rollout as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Rollout:
        """Return the rollout that `to_json` made that of."""
        return cls(**{**content, 'values': tuple(content['values']),
                      **{name: tuple(content.get(name, ())) for name in (
                          'value_spreads', 'chunk_spreads', 'imagined_shares')},
                      'times': ComputeTimes(**content['times'])})
