# SPDX-License-Identifier: Apache-2.0
"""What every policy offers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction


@runtime_checkable
class Policy(Protocol):
    """Turns one observation into one prediction.

    Attributes:
        name: Name for logs and episodes.
        is_trained: False for random weights, which must not drive a real robot.
        known_tasks: Task texts that it accepts; None if it accepts any.
        camera_names: Cameras that an observation must hold.
        chunk_size: Steps of its action chunks.
    """

    name: str
    is_trained: bool
    known_tasks: tuple[str, ...] | None
    camera_names: tuple[str, ...]
    chunk_size: int

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False,
    ) -> Prediction:
        """Predict an action chunk, the future and its value.

        Args:
            observation: What the robot sees now.
            seed: Seed of everything random in the answer.
            num_denoising_steps: Denoising steps; the policy's own choice by default.
            with_future_images: Whether to return the imagined images too.

        Raises:
            ConfigurationError: If the task is unknown or the number of steps is impossible.
            ObservationError: If a camera is missing or the joint vector has the wrong length.
            PredictionError: If the answer is not finite.
        """
        ...

    def reset(self) -> None:
        """Forget everything about the current episode."""
        ...
