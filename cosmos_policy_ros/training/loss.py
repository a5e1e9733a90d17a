# SPDX-License-Identifier: Apache-2.0
"""The denoising loss, and what it is made of.

Legend: B batch, C channels, T latent frames, H W latent size, K chunk size, A action dimensions,
P joints, V views, S image side, M text tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.latent_injection import inject_value, inject_vector
from cosmos_policy_ros.diffusion.latent_layout import LatentLayout
from cosmos_policy_ros.diffusion.observation_encoder import sequence_video
from cosmos_policy_ros.diffusion.patch_autoencoder import PatchAutoencoder
from cosmos_policy_ros.diffusion.video_autoencoder import video_from_uint8
from cosmos_policy_ros.training.sample_kind import (
    clean_masks, frame_weights, SampleKind)
from cosmos_policy_ros.training.settings import LossSettings


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """Samples as the network learns from them.

    Attributes:
        current: Images now. Shape (B, V, S, S, 3), uint8.
        future: Images at the end of the chunk. Shape (B, V, S, S, 3), uint8.
        proprio: Normalised joints now. Shape (B, P), float32.
        future_proprio: Normalised joints at the end of the chunk. Shape (B, P), float32.
        actions: Normalised action chunks. Shape (B, K, A), float32.
        values: Scaled returns at the end of the chunk. Shape (B,), float32.
        text: Task embeddings. Shape (B, M, *).
        kinds: Kind of each sample. Shape (B,), int64.
        sigmas: Noise level of each sample. Shape (B,), float32.
        noise: Unit noise. Shape (B, C, T, H, W), float32.
    """

    current: Tensor
    future: Tensor
    proprio: Tensor
    future_proprio: Tensor
    actions: Tensor
    values: Tensor
    text: Tensor
    kinds: Tensor
    sigmas: Tensor
    noise: Tensor

    def __len__(self) -> int:
        return len(self.kinds)

    def to(self, device: torch.device) -> TrainingBatch:
        """Return the batch on a device."""
        return TrainingBatch(**{name: tensor.to(device, non_blocking=True)
                                for name, tensor in vars(self).items()})

    def split(self, parts: int) -> list[TrainingBatch]:
        """Return the batch in equal parts, in order."""
        pieces = {name: tensor.chunk(parts) for name, tensor in vars(self).items()}
        return [TrainingBatch(**{name: piece[i] for name, piece in pieces.items()})
                for i in range(parts)]


@dataclass(frozen=True, kw_only=True)
class Denoised:
    """Result of one forward pass.

    Attributes:
        clean: The sequences to find. Shape (B, C, T, H, W).
        predicted: The sequences found. Shape (B, C, T, H, W).
        frame_losses: Weighted squared error of each frame. Shape (B, T).
    """

    clean: Tensor
    predicted: Tensor
    frame_losses: Tensor


def clean_latents(model: CosmosModel, batch: TrainingBatch) -> Tensor:
    """Encode the images of a batch and inject its vectors. Shape (B, C, T, H, W)."""
    layout = model.layout
    with torch.no_grad():
        latents = (_encode_images(model, batch) if isinstance(model.autoencoder, PatchAutoencoder)
                   else _encode_video(model, batch)).float()
    for vectors, frame in ((batch.proprio, layout.proprio), (batch.actions, layout.action),
                           (batch.future_proprio, layout.future_proprio)):
        latents = inject_vector(latents, vectors, frame)
    return inject_value(latents, batch.values, layout.value)


def _encode_video(model: CosmosModel, batch: TrainingBatch) -> Tensor:
    video = sequence_video(model.layout, batch.current, batch.future)
    return model.autoencoder.encode(video_from_uint8(video))


def _encode_images(model: CosmosModel, batch: TrainingBatch) -> Tensor:
    """Encode each image alone, for an autoencoder that sees nothing but it: a tenth of the work.

    As a video, every image would be there four times.
    """
    layout = model.layout
    frames = [*layout.current_views.values(), *layout.future_views.values()]
    images = torch.cat((batch.current, batch.future), dim=1)  # (B, 2 V, S, S, 3)
    black = torch.zeros_like(images[:1, :1])
    stacked = torch.cat((images.flatten(0, 1), black[0]))[..., None].permute(0, 3, 4, 1, 2)
    encoded = model.autoencoder.encode(video_from_uint8(stacked))[:, :, 0]  # (2 B V + 1, C, H, W)
    latents = encoded[-1].repeat(len(batch), layout.num_latent_frames, 1, 1, 1)  # (B, T, C, H, W)
    latents[:, frames] = encoded[:-1].unflatten(0, (len(batch), len(frames)))
    return latents.transpose(1, 2)


class DenoisingLoss:
    """The loss of a batch.

    Args:
        model: The model in training.
        settings: Which frames count how much.
    """

    def __init__(self, model: CosmosModel, settings: LossSettings) -> None:
        self._model = model
        self._settings = settings
        self._clean = clean_masks(model.layout, settings)
        self._weights = frame_weights(model.layout, settings)

    def denoise(self, batch: TrainingBatch) -> Denoised:
        """Add noise to the sequences of a batch and predict them from what remains visible."""
        clean = clean_latents(self._model, batch)
        mask = self._clean.to(clean.device)[batch.kinds][:, None, :, None, None]
        sigmas = batch.sigmas.view(-1, 1, 1, 1, 1)
        predicted = self._model.denoise(
            clean + sigmas * batch.noise, sigmas, clean=clean, mask=mask,
            text=self._model.transformer.encode_text(batch.text))
        weights = ((1 + sigmas) / sigmas).square()
        errors = (clean - predicted).square() * weights
        return Denoised(clean=clean, predicted=predicted,
                        frame_losses=errors.mean(dim=(1, 3, 4)))

    def total(self, denoised: Denoised, kinds: Tensor) -> Tensor:
        """Return the loss: the mean over all frames, those that were given counting as zero."""
        weights = self._weights.to(kinds.device)[kinds]
        return self._settings.scale * (denoised.frame_losses * weights).mean()


def part_errors(layout: LatentLayout, denoised: Denoised, kinds: Tensor) -> dict[str, Tensor]:
    """Mean absolute error of each part that samples of each kind denoise, in latent units.

    Returns:
        Names like `policy/action` or `world_model/future_primary` to one number each; kinds that
        do not occur are absent.
    """
    parts = {'action': layout.action, 'future_proprio': layout.future_proprio,
             **{f'future_{view}': frame for view, frame in layout.future_views.items()},
             'value': layout.value}
    firsts = {SampleKind.POLICY: layout.action, SampleKind.WORLD_MODEL: layout.future_proprio,
              SampleKind.VALUE: layout.value}
    errors = (denoised.clean - denoised.predicted).detach().abs().mean(dim=(1, 3, 4))  # (B, T)
    return {f'{kind.name.lower()}/{part}': errors[kinds == kind, frame].mean()
            for kind, first in firsts.items() if (kinds == kind).any()
            for part, frame in parts.items() if frame >= first}
