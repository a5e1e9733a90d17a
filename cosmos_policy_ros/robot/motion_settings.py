# SPDX-License-Identifier: Apache-2.0
"""How chunks become continuous motion, and when the next one is asked for.

Unlike `ArmSettings`, all of this may change while the arms move.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math

from cosmos_policy_ros.errors import ConfigurationError
from cosmos_policy_ros.robot.settings import require_positive

MODES = ('direct', 'planning')


class Strategy(str, Enum):
    """How chunks follow one another."""

    BLOCKING = 'blocking'
    """Play a chunk from its receipt to its end, then stand still until the next; the reference."""
    ASYNC_BLEND = 'async_blend'
    """Place chunks on the clock and blend from one to the next."""
    TEMPORAL_ENSEMBLE = 'temporal_ensemble'
    """Average all chunks that cover the moment, the oldest with the largest weight (ACT)."""
    PREFIX_CONDITIONED = 'prefix_conditioned'
    """As `async_blend`, for chunks that begin with the actions run during their inference."""


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How the arms move along chunks and to poses.

    Attributes:
        strategy: How chunks follow one another; the name of a `Strategy` will do.
        blend_s: Time over which a chunk takes over from its predecessor in [s].
        ensemble_decay: Exponent m of the weights exp(-m * i) of `temporal_ensemble`, chunk i = 0
            being the oldest; 0 is the plain mean.
        max_chunk_age_s: Chunks whose observation is older say too little about the present, even
            to arms that stood still since, in [s].
        max_acceleration_rad_s2: Largest change of an arm joint's speed in [rad/s^2].
        gripper_squeeze: How far beyond its measured opening a closing gripper is commanded;
            1 is any distance.
        pose_speed_rad_s: Highest speed of an arm joint on the way to a pose in [rad/s].

    Raises:
        ConfigurationError: If the strategy is unknown or a value is out of its range.
    """

    strategy: Strategy = Strategy.ASYNC_BLEND
    blend_s: float = 0.3
    ensemble_decay: float = 0.01
    max_chunk_age_s: float = 10.0
    max_acceleration_rad_s2: float = 15.0
    gripper_squeeze: float = 1.0
    pose_speed_rad_s: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, 'strategy', _strategy(self.strategy))
        require_positive(self, 'blend_s', 'max_chunk_age_s', 'max_acceleration_rad_s2',
                         'pose_speed_rad_s')
        if not (math.isfinite(self.ensemble_decay) and self.ensemble_decay >= 0):
            raise ConfigurationError(
                f'ensemble_decay is {self.ensemble_decay}; allowed is 0 or more')
        if not 0 < self.gripper_squeeze <= 1:
            raise ConfigurationError(
                f'gripper_squeeze is {self.gripper_squeeze}; allowed is above 0, up to 1')


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """When the policy is asked for the next chunk.

    Attributes:
        mode: How a chunk is chosen: `direct` or `planning`.
        strategy: How the arms make chunks follow one another.
        blend_s: Time over which a chunk takes over from its predecessor in [s].
        execution_horizon: Steps after the observation of a chunk at which the next query is due;
            0 is as late as the delay of inference permits.
        latency_percentile: Share of recent delays in [%] that the next is expected not to exceed.
        latency_window: How many recent delays of a mode count.
        query_margin_s: How much earlier than needed a chunk is to arrive in [s].
        settle_s: Time between the end of a motion and an observation of arms at rest in [s].

    Raises:
        ConfigurationError: If the mode or the strategy is unknown or a value is out of its range.
    """

    mode: str = 'direct'
    strategy: Strategy = Strategy.ASYNC_BLEND
    blend_s: float = 0.3
    execution_horizon: int = 0
    latency_percentile: float = 95.0
    latency_window: int = 20
    query_margin_s: float = 0.05
    settle_s: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, 'strategy', _strategy(self.strategy))
        if self.mode not in MODES:
            raise ConfigurationError(f'mode is {self.mode!r}; allowed is {", ".join(MODES)}')
        require_positive(self, 'blend_s', 'query_margin_s', 'settle_s')
        if self.execution_horizon < 0:
            raise ConfigurationError(
                f'execution_horizon is {self.execution_horizon}; allowed is 0 or more')
        if not 0 <= self.latency_percentile <= 100:
            raise ConfigurationError(
                f'latency_percentile is {self.latency_percentile}; allowed is 0 to 100')


def _strategy(name: str) -> Strategy:
    try:
        return Strategy(name)
    except ValueError as error:
        raise ConfigurationError(
            f'strategy is {name!r}; allowed is {", ".join(member.value for member in Strategy)}'
        ) from error
