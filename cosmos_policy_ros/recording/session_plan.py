# SPDX-License-Identifier: Apache-2.0
"""How many episodes, how long, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
import math

from cosmos_policy_ros.errors import RecordingError

MAX_EPISODES = 100_000
MAX_DURATION_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class SessionPlan:
    """What a recording session is to do.

    Attributes:
        num_episodes: Episodes of the batch.
        episode_s: Length of an episode in [s]; 0: until stopped.
        warm_up_s: Time between start cue and recording in [s].
        reset_s: Time to put the scene back between two episodes in [s].
        starts_alone: Whether the next episode begins without a start cue.
        re_records_bad: Whether episodes of bad health are set aside and recorded again.

    Raises:
        RecordingError: If a number is out of its range.
    """

    num_episodes: int = 1
    episode_s: float = 0.0
    warm_up_s: float = 0.0
    reset_s: float = 0.0
    starts_alone: bool = False
    re_records_bad: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_episodes <= MAX_EPISODES:
            raise RecordingError(
                f'num_episodes is {self.num_episodes}; allowed is 1 to {MAX_EPISODES}')
        for name in ('episode_s', 'warm_up_s', 'reset_s'):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= MAX_DURATION_S):
                raise RecordingError(f'{name} is {value}; allowed is 0 to {MAX_DURATION_S:g} s')
        if self.starts_alone and not self.episode_s:
            raise RecordingError(
                'episodes that start alone need an end: episode_s is 0; allowed is more than 0')
