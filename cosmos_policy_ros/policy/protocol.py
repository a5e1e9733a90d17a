# SPDX-License-Identifier: Apache-2.0
"""What every policy offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction


@runtime_checkable
class Policy(Protocol):
    """Turns one observation into one prediction.

    A policy may also say `can_continue = True`. Only such a policy is given `committed_actions`;
    others need not have that argument.

    Attributes:
        name: Name for logs and episodes.
        is_trained: False for random weights, which must not drive a real robot.
        known_tasks: Task texts that it accepts; None if it accepts any.
        camera_names: Cameras that an observation must hold.
        chunk_size: Steps of its action chunks.
        can_plan: Whether it accepts planning settings.
    """

    name: str
    is_trained: bool
    known_tasks: tuple[str, ...] | None
    camera_names: tuple[str, ...]
    chunk_size: int
    can_plan: bool

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False, planning: PlanningSettings | None = None,
        committed_actions: np.ndarray | None = None,
    ) -> Prediction:
        """Predict an action chunk, the future and its value.

        Args:
            observation: What the robot sees now.
            seed: Seed of everything random in the answer.
            num_denoising_steps: Denoising steps; the policy's own choice by default.
            with_future_images: Whether to return the imagined images too.
            planning: How to choose among several chunks; None to answer directly.
            committed_actions: Actions that will run in any case, because they are due before the
                answer; the chunk begins with them. None for none. Shape (n, A).

        Raises:
            ConfigurationError: If the task is unknown, the number of steps is impossible, the
                policy cannot plan, or not within the deadline.
            ObservationError: If a camera is missing, the joint vector has the wrong length, or
                the committed actions do not fit.
            PredictionError: If the answer is not finite.
        """
        ...

    def seen_images(self, observation: Observation) -> Mapping[str, np.ndarray]:
        """Return the images of an observation as the policy sees them.

        Returns:
            Camera to RGB image of the imagined images' shape, uint8, comparable with them; empty
            for a policy that imagines nothing or does not tell.
        """
        ...

    def reset(self) -> None:
        """Forget everything about the current episode."""
        ...
