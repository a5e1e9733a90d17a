# SPDX-License-Identifier: Apache-2.0
"""The policy in direct mode: one joint sample of action chunk, future and value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import time

import numpy as np
import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.checkpoint import Checkpoint, load_checkpoint
from cosmos_policy_ros.diffusion.dit import TextKeysValues
from cosmos_policy_ros.diffusion.latent_injection import value_from_latent
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.diffusion.observation_encoder import EncodedObservation
from cosmos_policy_ros.errors import ObservationError, PredictionError
from cosmos_policy_ros.policy.preprocessing import cameras_for_views, preprocess_images
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.prediction import Prediction, StageTiming


class CosmosPolicy:
    """Cosmos Policy behind the `Policy` protocol.

    Args:
        checkpoint: Model, statistics and text embeddings.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name = checkpoint.name
        self.is_trained = checkpoint.is_trained
        self.known_tasks: tuple[str, ...] | None = checkpoint.text_embeddings.tasks
        self.model = checkpoint.model
        self.chunk_size = checkpoint.model.config.chunk_size
        self.camera_names = cameras_for_views(self.model.layout.views)
        self._statistics = checkpoint.statistics
        self._text_embeddings = checkpoint.text_embeddings
        self._encoder = self.model.observation_encoder()
        self._text: tuple[str, TextKeysValues] | None = None

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, device: torch.device | str = 'cpu',
        dtype: torch.dtype | None = None,
    ) -> CosmosPolicy:
        """Load a checkpoint folder, or a model by name.

        Args:
            checkpoint: The folder or the name.
            device: Where the model runs.
            dtype: Precision of the weights; None is bfloat16 on CUDA and float32 elsewhere.

        Raises:
            CosmosPolicyError: As `load_checkpoint` says.
        """
        return cls(load_checkpoint(checkpoint, device=device, dtype=dtype))

    def predict(
        self, observation: Observation, seed: int, *, num_denoising_steps: int | None = None,
        with_future_images: bool = False,
    ) -> Prediction:
        """Predict as `Policy.predict` says; stages: preprocess, encode, denoise, decode."""
        timings: list[StageTiming] = []
        num_steps = (self.model.config.num_denoising_steps if num_denoising_steps is None
                     else num_denoising_steps)
        with self._stage('preprocess', timings):
            text = self._text_keys_values(observation.task)
            proprio = self._normalised_proprio(observation)
            views = preprocess_images(observation.images, self.camera_names, self.model.config)
        with self._stage('encode', timings):
            encoded = self._encoder.encode(views)
        with self._stage('denoise', timings):
            latents = self.model.sample(
                self.model.inject_proprio(encoded.latents, proprio), role=NetworkRole.POLICY,
                text=text, seeds=[seed], num_steps=num_steps)
        images: dict[str, np.ndarray] = {}
        with self._stage('decode', timings):
            if with_future_images:
                images = self._future_images(latents, encoded)
            chunk, future_proprio, value = self._read(latents)
        return Prediction(
            chunk=ActionChunk(positions=chunk, stamp_ns=observation.stamp_ns,
                              period_ns=self.model.config.chunk_period_ns),
            future_proprio=future_proprio, value=value, future_images=images, seed=seed,
            num_denoising_steps=num_steps, timings=tuple(timings))

    def reset(self) -> None:
        """Do nothing: every query stands alone."""

    def _text_keys_values(self, task: str) -> TextKeysValues:
        if self._text is None or self._text[0] != task:
            self._text = task, self.model.encode_text(self._text_embeddings.embedding(task))
        return self._text[1]

    def _normalised_proprio(self, observation: Observation) -> Tensor:
        expected = self.model.config.proprio_dim
        if len(observation.proprio) != expected:
            raise ObservationError(
                f'proprio has {len(observation.proprio)} numbers, expected {expected}')
        return torch.from_numpy(self._statistics.proprio.normalise(observation.proprio))[None]

    def _read(self, latents: Tensor) -> tuple[np.ndarray, np.ndarray, float]:
        chunk, future_proprio, value = (
            tensor[0].double().cpu().numpy() for tensor in (
                self.model.action_chunk(latents), self.model.future_proprio(latents),
                value_from_latent(self.model.raw_value(latents))))
        if not (np.isfinite(chunk).all() and np.isfinite(future_proprio).all()
                and np.isfinite(value)):
            raise PredictionError(f'{self.name!r} predicted numbers that are not finite')
        return (self._statistics.actions.unnormalise(chunk),
                self._statistics.proprio.unnormalise(future_proprio), float(value))

    def _future_images(
        self, latents: Tensor, encoded: EncodedObservation,
    ) -> dict[str, np.ndarray]:
        images = self.model.decode_future_images(
            latents, self._encoder.encode_preview_frames(encoded))
        return {camera: images[view][0].cpu().numpy()
                for view, camera in zip(self.model.layout.views, self.camera_names)}

    @contextmanager
    def _stage(self, name: str, timings: list[StageTiming]) -> Iterator[None]:
        start_ns = time.monotonic_ns()
        yield
        if self.model.device.type == 'cuda':
            torch.cuda.synchronize(self.model.device)
        timings.append(StageTiming(name=name, duration_s=(time.monotonic_ns() - start_ns) * 1e-9))
