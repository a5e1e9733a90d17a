# SPDX-License-Identifier: Apache-2.0
"""Planning on several workers, where one device is not enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
import time

import numpy as np

from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.policy.plan_shares import merge_plans, split_plan
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.preprocessing import preprocess_images
from cosmos_policy_ros.policy.ray_workers import RayWorkers, WorkerSettings
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.stage_timing import StageTiming

_NANOSECOND_S = 1e-9
_NUM_REMEMBERED = 5


class RayPlannerPolicy:
    """Cosmos Policy on several workers; a `Policy` like any other.

    Candidates are split in order among the workers, with the seeds that they would have on one,
    so that the plan is the same. A worker that is lost takes its candidates of the running query
    with it and is not asked again; one that is late is asked again when it has finished.

    Args:
        num_workers: Number of workers.
        settings: What each of them loads.
        address: Address of a Ray cluster; None for the one in use, or else a new one here.
        timeout_s: Longest wait for the answers to a query without a deadline in [s].
        load_timeout_s: Longest wait for the workers to load the model in [s].
        clock: Monotonic time in [ns].

    Raises:
        ConfigurationError: If Ray is not installed, or the workers do not load in time.
        CosmosPolicyError: If the model cannot be loaded.
    """

    can_plan = True
    can_continue = True

    def __init__(
        self, num_workers: int, settings: WorkerSettings, *, address: str | None = None,
        timeout_s: float = 60.0, load_timeout_s: float = 600.0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._workers = RayWorkers(
            num_workers, settings, address=address, load_timeout_s=load_timeout_s)
        loaded = self._workers.loaded
        self.name: str = loaded['name']
        self.is_trained: bool = loaded['is_trained']
        self.trained_values: tuple[str, ...] = loaded['trained_values']
        self.known_tasks: tuple[str, ...] | None = loaded['known_tasks']
        self.camera_names: tuple[str, ...] = loaded['camera_names']
        self.chunk_size: int = loaded['chunk_size']
        self._config: ModelConfig = loaded['config']
        self.arm_order = self._config.arm_order
        self._timeout_s = timeout_s
        self._clock = clock
        self._transfers_s: deque[float] = deque([0.0], maxlen=_NUM_REMEMBERED)

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False, planning: PlanningSettings | None = None,
        committed_actions: np.ndarray | None = None,
    ) -> Prediction:
        """Predict as `Policy.predict` says; the last stage, `transfer`, is all but the workers.

        Raises:
            PredictionError: Also if no worker answers.
        """
        start_ns = self._clock()
        options = {'num_denoising_steps': num_denoising_steps,
                   'with_future_images': with_future_images,
                   'committed_actions': committed_actions}
        shares = self._shares(seed, planning)
        deadline_s = planning.deadline_s if planning else 0.0
        predictions, missing = self._workers.ask(
            observation, options, shares, limit_s=deadline_s or self._timeout_s,
            last_limit_s=self._timeout_s)
        prediction = merge_plans(predictions, planning, missing) if planning else predictions[0]
        working_s = max(sum(timing.duration_s for timing in one.timings) for one in predictions)
        transfer_s = max(0.0, (self._clock() - start_ns) * _NANOSECOND_S - working_s)
        if not missing:
            self._transfers_s.append(transfer_s)
        return replace(prediction, seed=seed, timings=(
            *prediction.timings, StageTiming(name='transfer', duration_s=transfer_s)))

    def seen_images(self, observation: Observation) -> dict[str, np.ndarray]:
        """Return the images of an observation as the model sees them."""
        views = preprocess_images(observation.images, self.camera_names, self._config)
        return {camera: view.numpy() for camera, view in zip(self.camera_names, views)}

    def reset(self) -> None:
        """Do nothing: every query stands alone."""

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    def _shares(
        self, seed: int, planning: PlanningSettings | None,
    ) -> list[tuple[int, PlanningSettings | None]]:
        num_idle = self._workers.num_idle
        if not num_idle:
            raise PredictionError('no worker is idle: the others are late, or were lost')
        if planning is None:
            return [(seed, None)]
        transfer_s = max(self._transfers_s)
        if 0 < planning.deadline_s <= transfer_s:
            raise ConfigurationError(
                f'deadline_s is {planning.deadline_s:g}, but the way to the workers and back '
                f'alone took {transfer_s:.3g} s')
        if planning.deadline_s:
            planning = replace(planning, deadline_s=planning.deadline_s - transfer_s)
        return split_plan(planning, seed, num_idle)
