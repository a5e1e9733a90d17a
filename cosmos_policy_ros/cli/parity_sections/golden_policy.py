# SPDX-License-Identifier: Apache-2.0
"""The policy behind the end-to-end golden vectors, with its observation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cosmos_policy_ros.cli.parity_sections.golden import GoldenError, GoldenSection
from cosmos_policy_ros.cli.parity_sections.networks import (
    autoencoder_config, golden_autoencoder, golden_transformer, transformer_config)
from cosmos_policy_ros.diffusion.checkpoint import Checkpoint
from cosmos_policy_ros.diffusion.config import ModelConfig
from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.latent_layout import ALOHA, NetworkRole
from cosmos_policy_ros.diffusion.observation_encoder import sequence_video
from cosmos_policy_ros.diffusion.text_embedding import TextEmbeddings
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.preprocessing import preprocess_images
from cosmos_policy_ros.spec.aloha import CHUNK_PERIOD_S
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.statistics import Bounds, DatasetStatistics

TASK = 'the golden task'
CAMERA_ARRAYS = {'cam_left_wrist': 'left_wrist_image', 'cam_right_wrist': 'right_wrist_image',
                 'cam_high': 'primary_image'}
FUTURE_ARRAYS = {'cam_left_wrist': 'future_wrist_image', 'cam_right_wrist': 'future_wrist_image2',
                 'cam_high': 'future_image'}


class RecordingModel(CosmosModel):
    """Keeps the state, noise level and prediction of every denoiser call."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.calls: list[dict[str, Any]] = []

    def denoise(self, noisy: Tensor, sigma: float | Tensor, **given: Any) -> Tensor:
        """Denoise as the model does, and keep the call."""
        prediction = super().denoise(noisy, sigma, **given)
        self.calls.append({'xt': noisy, 'sigma': [sigma], 'x0': prediction})
        return prediction


class GoldenPolicy:
    """Our policy with the golden weights, statistics, text and observation.

    Args:
        section: The end-to-end section.
        dit: The section with the transformer's weights.
        tokenizer: The section with the autoencoder's weights.

    Attributes:
        model: The model.
        policy: The policy around it.
        observation: The golden observation.
        views: Its preprocessed images. Shape (V, S, S, 3), uint8.
        proprio: Its normalised joints. Shape (1, P).
        raw_latents: The whole encoded video, before any injection. Shape (1, C, T, H, W).
        text: Keys and values of the task.
    """

    def __init__(
        self, section: GoldenSection, *, dit: GoldenSection, tokenizer: GoldenSection,
    ) -> None:
        statistics = _statistics(section)
        embeddings = TextEmbeddings(by_task={TASK: section.input('text_embedding')[0]})
        self.model = RecordingModel(_config(section, dit, tokenizer)).eval()
        self.model.transformer = golden_transformer(dit)
        self.model.autoencoder = golden_autoencoder(tokenizer)
        self.policy = CosmosPolicy(Checkpoint(
            name='golden', model=self.model, statistics=statistics, text_embeddings=embeddings,
            is_trained=False))
        self.observation = Observation(
            images={camera: section.input(f'obs.{field}').numpy()
                    for camera, field in CAMERA_ARRAYS.items()},
            proprio=section.input('obs.proprio').numpy(), stamp_ns=0, task=TASK)
        self.views = preprocess_images(
            self.observation.images, self.policy.camera_names, self.model.config)
        self.proprio = torch.from_numpy(
            statistics.proprio.normalise(self.observation.proprio))[None]
        video = sequence_video(self.model.layout, self.views[None], self.views[None])
        with torch.no_grad():
            self.raw_latents = self.model.autoencoder.encode(video_from_uint8(video))
        self.text = self.model.encode_text(embeddings.embedding(TASK))

    def sample(self, clean: Tensor, role: NetworkRole, seed: int, num_steps: int) -> Tensor:
        """Sample a sequence from clean latents, into which the joints are injected first."""
        return self.model.sample(
            self.model.inject_proprio(clean, self.proprio), role=role, text=self.text,
            seeds=[seed], num_steps=num_steps)


def _statistics(section: GoldenSection) -> DatasetStatistics:
    bounds = {name: Bounds(name=name, lower=section.input(f'stats.{name}_min').numpy(),
                           upper=section.input(f'stats.{name}_max').numpy())
              for name in ('actions', 'proprio')}
    return DatasetStatistics(**bounds)


def _config(
    section: GoldenSection, dit: GoldenSection, tokenizer: GoldenSection,
) -> ModelConfig:
    given = section.info['hyperparameters']
    if given['state_t'] != ALOHA.num_latent_frames:
        raise GoldenError(f'{given["state_t"]} latent frames; the layout of these arrays, '
                          f'{ALOHA.name!r}, has {ALOHA.num_latent_frames}')
    return ModelConfig(
        layout=ALOHA.name, transformer=transformer_config(dit),
        autoencoder=autoencoder_config(tokenizer),
        text_tokens=section.arrays['text_embedding'].shape[1],
        image_size_px=given['image_size'], camera_resize_px=None, jpeg_round_trip=False,
        chunk_size=given['chunk_size'], chunk_period_s=CHUNK_PERIOD_S,
        action_dim=len(section.arrays['stats.actions_min']),
        proprio_dim=len(section.arrays['stats.proprio_min']),
        sigma_max=float(given['sigma_max']), sigma_min=float(given['sigma_min']),
        num_denoising_steps=1, random_weights_seed=None)
