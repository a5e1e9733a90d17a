# SPDX-License-Identifier: Apache-2.0
"""Cosmos Policy: one joint sample of chunk, future and value, or the best of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
import math
from pathlib import Path
import time

import numpy as np
import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.acceleration import accelerate, Acceleration
from cosmos_policy_ros.diffusion.checkpoint import Checkpoint, load_checkpoint
from cosmos_policy_ros.diffusion.latent_injection import value_from_latent
from cosmos_policy_ros.diffusion.observation_encoder import EncodedObservation
from cosmos_policy_ros.errors import ConfigurationError, ObservationError, PredictionError
from cosmos_policy_ros.policy.chunk_smoothing import smooth_chunks
from cosmos_policy_ros.policy.chunk_variation import chunk_variation
from cosmos_policy_ros.policy.look_ahead import candidate_pass
from cosmos_policy_ros.policy.network_pass import Network
from cosmos_policy_ros.policy.pass_costs import PassCosts
from cosmos_policy_ros.policy.planner import Choice, Planner
from cosmos_policy_ros.policy.planning_checkpoint import share_autoencoder
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.preprocessing import cameras_for_views, preprocess_images
from cosmos_policy_ros.policy.stage_clock import StageClock
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.plan import NOT_MEASURED, NOT_NEEDED
from cosmos_policy_ros.spec.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class _Query:
    """What is asked, and the clock that started with it."""

    seed: int
    num_steps: int
    with_future_images: bool
    planning: PlanningSettings | None
    committed: Tensor | None
    stages: StageClock


class CosmosPolicy:
    """Cosmos Policy behind the `Policy` protocol.

    Args:
        checkpoint: Model, statistics and text embeddings.
        planning_checkpoint: Model that imagines and values in planning mode; None for the same.
            It must fit, and its autoencoder is dropped for that of `checkpoint`.
        clock: Monotonic time in [ns], for durations and deadlines.

    Attributes:
        trained_values: Kinds of value, as `PlanningSettings.value_kind`, to rank candidates by
            that the planning model was trained for.
        arm_order: Sides of the arms in the order of joint vectors; empty where nobody noted it.

    Raises:
        CheckpointError: If the planning checkpoint does not fit.
    """

    can_plan = True
    can_continue = True

    def __init__(
        self, checkpoint: Checkpoint, *, planning_checkpoint: Checkpoint | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = checkpoint.name
        self.is_trained = checkpoint.is_trained
        self.known_tasks: tuple[str, ...] | None = checkpoint.text_embeddings.tasks
        self.model = checkpoint.model
        self.chunk_size = checkpoint.model.config.chunk_size
        self.camera_names = cameras_for_views(self.model.layout.views)
        self._imagination = self.model
        if planning_checkpoint is not None:
            share_autoencoder(checkpoint, planning_checkpoint)
            self.name += f'+{planning_checkpoint.name}'
            self.is_trained &= planning_checkpoint.is_trained
            self._imagination = planning_checkpoint.model
        self.trained_values = self._imagination.config.trained_values
        self.arm_order = self.model.config.arm_order
        self._statistics = checkpoint.statistics
        self._text_embeddings = checkpoint.text_embeddings
        self._encoder = self.model.observation_encoder()
        self._networks: tuple[str, Network, Network] | None = None
        self._last_views: tuple[Observation | None, Tensor | None] = None, None
        self._clock = clock
        self._costs = PassCosts()

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, planning_checkpoint: str | Path | None = None,
        device: torch.device | str = 'cpu', dtype: torch.dtype | None = None,
        acceleration: Acceleration | None = None,
    ) -> CosmosPolicy:
        """Load a checkpoint folder, or a model by name, and make it fast.

        Args:
            checkpoint: The folder or the name.
            planning_checkpoint: The same of the model that imagines and values; None for none.
            device: Where the models run.
            dtype: Precision of the weights; None is bfloat16 on CUDA and float32 elsewhere.
            acceleration: How to make sampling faster; None for what suits the device. Compilation
                takes its time here, never in a query.

        Raises:
            CosmosPolicyError: As `load_checkpoint` says, or if the two do not fit, or the
                acceleration does not fit the device.
        """
        loaded = load_checkpoint(checkpoint, device=device, dtype=dtype)
        planning = None
        if planning_checkpoint is not None:
            planning = load_checkpoint(planning_checkpoint, device=device, dtype=dtype)
        policy = cls(loaded, planning_checkpoint=planning)
        for model in dict.fromkeys((policy.model, policy._imagination)):
            accelerate(model, acceleration or Acceleration.automatic(device))
        return policy

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False, planning: PlanningSettings | None = None,
        committed_actions: np.ndarray | None = None,
    ) -> Prediction:
        """Predict as `Policy.predict` says.

        Stages: preprocess, encode, denoise, decode; with planning, candidates, next_chunks,
        futures and values in the place of denoise. Value and future of a planned prediction are
        those that its candidate was chosen by.
        """
        query = _Query(
            seed=seed, num_steps=self._num_steps(num_denoising_steps, planning),
            with_future_images=with_future_images, planning=planning,
            committed=self._normalised_actions(committed_actions),
            stages=StageClock(self._clock, self.model.device))
        with query.stages.stage('preprocess'):
            networks = self._networks_for(observation.task)
            proprio = self._normalised_proprio(observation)
            views = self._views(observation)
            self._last_views = observation, views
        with query.stages.stage('encode'):
            encoded = self._encoder.encode(views)
        state = self.model.inject_proprio(encoded.latents, proprio)
        choice = (self._choose if planning else self._sample)(query, state, *networks)
        return self._answer(query, observation, encoded, choice)

    def seen_images(self, observation: Observation) -> dict[str, np.ndarray]:
        """Return the images of an observation as the model sees them."""
        views = self._views(observation)
        return {camera: view.numpy() for camera, view in zip(self.camera_names, views)}

    def reset(self) -> None:
        """Do nothing: every query stands alone."""

    def _num_steps(self, of_query: int | None, planning: PlanningSettings | None) -> int:
        of_plan = planning.num_denoising_steps_action if planning else None
        given = (steps for steps in (of_plan, of_query) if steps is not None)
        return next(given, self.model.config.num_denoising_steps)

    def _networks_for(self, task: str) -> tuple[Network, Network]:
        """Return the networks that sample chunks, and futures and values, of a task."""
        if self._networks is None or self._networks[0] != task:
            embedding = self._text_embeddings.embedding(task)
            self._networks = task, *(
                Network(model=model, text=model.encode_text(embedding))
                for model in (self.model, self._imagination))
        return self._networks[1:]

    def _views(self, observation: Observation) -> Tensor:
        """Return the preprocessed images; those of the last query are asked for again."""
        last, views = self._last_views
        if last is observation:
            return views
        return preprocess_images(observation.images, self.camera_names, self.model.config)

    def _normalised_actions(self, actions: np.ndarray | None) -> Tensor | None:
        if actions is None:
            return None
        config = self.model.config
        if actions.ndim != 2 or len(actions) > config.chunk_size or (
                actions.shape[1] != config.action_dim) or not np.isfinite(actions).all():
            raise ObservationError(
                f'committed actions of shape {actions.shape}; allowed are finite numbers of shape '
                f'(0 to {config.chunk_size}, {config.action_dim})')
        return torch.from_numpy(self._statistics.actions.normalise(actions))

    def _normalised_proprio(self, observation: Observation) -> Tensor:
        expected = self.model.config.proprio_dim
        if len(observation.proprio) != expected:
            raise ObservationError(
                f'proprio has {len(observation.proprio)} numbers, expected {expected}')
        return torch.from_numpy(self._statistics.proprio.normalise(observation.proprio))[None]

    def _sample(
        self, query: _Query, state: Tensor, policy: Network, imagination: Network,
    ) -> Choice:
        wanted = candidate_pass([query.seed], query.num_steps)
        batch, = wanted.batches(1)
        with query.stages.stage('denoise'):
            latents = wanted.draw(policy, state, batch, query.committed)
        self._costs.record_evaluations(batch, query.stages.last_s)
        return Choice(latents=latents, plan=None)

    def _choose(
        self, query: _Query, state: Tensor, policy: Network, imagination: Network,
    ) -> Choice:
        self._check_deadline(query)
        is_measured = self._costs.is_measured(query.with_future_images)
        end_s, direct_reason = math.inf, None
        if query.planning.deadline_s and is_measured:
            end_s = (query.planning.deadline_s
                     - self._costs.expected_answer_s(query.with_future_images))
        elif query.planning.deadline_s:
            direct_reason = NOT_MEASURED
        if not query.planning.is_needed:
            direct_reason = NOT_NEEDED
        return Planner(
            settings=query.planning, seed=query.seed, num_steps_action=query.num_steps,
            policy=policy, imagination=imagination, read_chunks=self._read_chunks,
            read_proprio=self._read_proprio,
            move_chunks=partial(self._move_chunks, query.planning.candidate_spread),
            as_executed=self._as_executed, stages=query.stages, costs=self._costs, end_s=end_s,
            committed=query.committed).choose(state, direct_reason)

    def _check_deadline(self, query: _Query) -> None:
        fastest_s = self._costs.fastest_direct_s(query.num_steps)
        if 0 < query.planning.deadline_s < fastest_s:
            raise ConfigurationError(
                f'deadline_s is {query.planning.deadline_s:g}, but the fastest direct query with '
                f'{query.num_steps} denoising steps took {fastest_s:.3g} s; a plan takes longer')

    def _answer(
        self, query: _Query, observation: Observation, encoded: EncodedObservation,
        choice: Choice,
    ) -> Prediction:
        with query.stages.stage('decode'):
            images = (self._future_images(choice.latents, encoded) if query.with_future_images
                      else {})
            future_proprio = self._read_proprio(choice.latents)[0]
            joint_value = float(self._finite(
                value_from_latent(self.model.raw_value(choice.latents)))[0])
            # What was valued has the chunk as it is sent already.
            chunk = (choice.plan.winner.chunk if choice.plan
                     else self._read_chunks(choice.latents)[0])
        self._remember_answer(query, choice)
        value = choice.plan.winner.value if choice.plan else None
        return Prediction(
            chunk=ActionChunk(positions=chunk, stamp_ns=observation.stamp_ns,
                              period_ns=self.model.config.chunk_period_ns),
            future_proprio=future_proprio, value=joint_value if value is None else value,
            future_images=images, seed=query.seed, num_denoising_steps=query.num_steps,
            mode='direct' if value is None else 'planning', timings=query.stages.timings,
            plan=choice.plan)

    def _remember_answer(self, query: _Query, choice: Choice) -> None:
        self._costs.record_answer(query.with_future_images, query.stages.last_s)
        if choice.is_direct:
            self._costs.record_direct(query.num_steps, query.stages.elapsed_s)

    def _read_chunks(self, latents: Tensor) -> np.ndarray:
        chunks = self._statistics.actions.unnormalise(
            self._finite(self.model.action_chunk(latents)))
        config = self.model.config
        return chunks if config.chunk_cutoff_hz is None else smooth_chunks(
            chunks, period_s=config.chunk_period_s, cutoff_hz=config.chunk_cutoff_hz)

    def _move_chunks(
        self, spread: float, latents: Tensor, seeds: Sequence[int],
    ) -> Tensor:
        """Return sampled sequences whose chunks are moved at random, each by its seed."""
        chunks = self._statistics.actions.unnormalise(
            self._finite(self.model.action_chunk(latents)))
        moved = chunks + [chunk_variation(seed, chunks.shape[1:], spread) for seed in seeds]
        normalised = torch.from_numpy(self._statistics.actions.normalise(moved))
        return self.model.inject_action_chunk(latents, normalised)

    def _as_executed(self, latents: Tensor) -> Tensor:
        """Return sampled sequences whose chunks are smooth where those that are sent are."""
        if self.model.config.chunk_cutoff_hz is None:
            return latents
        return self.model.inject_action_chunk(latents, torch.from_numpy(
            self._statistics.actions.normalise(self._read_chunks(latents))))

    def _read_proprio(self, latents: Tensor) -> np.ndarray:
        return self._statistics.proprio.unnormalise(
            self._finite(self.model.future_proprio(latents)))

    def _finite(self, tensor: Tensor) -> np.ndarray:
        array = tensor.double().cpu().numpy()
        if not np.isfinite(array).all():
            raise PredictionError(f'{self.name!r} predicted numbers that are not finite')
        return array

    def _future_images(
        self, latents: Tensor, encoded: EncodedObservation,
    ) -> dict[str, np.ndarray]:
        images = self.model.decode_future_images(
            latents, self._encoder.encode_preview_frames(encoded))
        return {camera: images[view][0].cpu().numpy()
                for view, camera in zip(self.model.layout.views, self.camera_names)}
