# SPDX-License-Identifier: Apache-2.0
"""What the policy answers: an action chunk, the future it imagines, and its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.arrays import locked_array
from cosmos_policy_ros.spec.plan import Plan
from cosmos_policy_ros.spec.stage_timing import StageTiming


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer of a policy.

    Attributes:
        chunk: Action chunk.
        future_proprio: Joint vector expected at the end of the chunk. Shape (A,), float64.
        value: Expected discounted success in [0, 1].
        future_images: Camera name to imagined RGB image at the end of the chunk, (H, W, 3) uint8;
            empty unless asked for.
        seed: Seed of the diffusion noise.
        num_denoising_steps: Denoising steps asked for; 0 for a policy that does not denoise.
        mode: How the chunk was chosen: `direct`, `planning` (by its value among others) or
            `scripted`.
        timings: Wall time of each stage.
        plan: What planning did, whether or not it made the choice; None if none was asked for.

    Raises:
        PredictionError: If a number is not finite or the value is outside [0, 1].
    """

    chunk: ActionChunk
    future_proprio: np.ndarray
    value: float
    future_images: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int
    num_denoising_steps: int
    mode: str = 'direct'
    timings: tuple[StageTiming, ...] = ()
    plan: Plan | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, 'future_proprio', locked_array(
            'future proprio', self.future_proprio, dtype=np.float64, shape=(None,),
            error=PredictionError))
        images = {name: locked_array(f'future image {name!r}', image, dtype=np.uint8,
                                     shape=(None, None, 3), error=PredictionError)
                  for name, image in self.future_images.items()}
        object.__setattr__(self, 'future_images', MappingProxyType(images))
        if not 0.0 <= self.value <= 1.0:
            raise PredictionError(f'value is {self.value}; allowed is 0 to 1')
