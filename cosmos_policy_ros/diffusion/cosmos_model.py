# SPDX-License-Identifier: Apache-2.0
"""The whole model: layout, transformer, autoencoder and sampler put together.

Legend: B batch (candidates), C channels, T latent frames, H W latent size, M text tokens,
K chunk size, A action dimensions, P joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn, Tensor

from cosmos_policy_ros.diffusion.config import ModelConfig, WanAutoencoderConfig
from cosmos_policy_ros.diffusion.dit import (
    DiffusionTransformer, Modulation, TextKeysValues)
from cosmos_policy_ros.diffusion.latent_injection import (
    extract_value, extract_vector, inject_vector)
from cosmos_policy_ros.diffusion.latent_layout import latent_layout, NetworkRole
from cosmos_policy_ros.diffusion.noise import unit_noise
from cosmos_policy_ros.diffusion.observation_encoder import ObservationEncoder
from cosmos_policy_ros.diffusion.patch_autoencoder import PatchAutoencoder
from cosmos_policy_ros.diffusion.preconditioning import (
    clean_prediction, network_input, time_from_sigma)
from cosmos_policy_ros.diffusion.sampler import call_sigmas, holding, sample
from cosmos_policy_ros.diffusion.video_autoencoder import uint8_from_video, VideoAutoencoder


Velocity = Callable[[Tensor, Modulation, TextKeysValues, Tensor], Tensor]
"""`DiffusionTransformer.velocity`, or a faster equal."""


class CosmosModel(nn.Module):
    """Samples latent sequences: what the role keeps clean is given, the rest is denoised.

    Attributes:
        fast_velocity: Takes the place of the transformer's own `velocity` in sampling; None for
            none.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.layout = latent_layout(config.layout)
        self.transformer = DiffusionTransformer(
            config.transformer, latent_channels=config.autoencoder.latent_channels,
            grid=(self.layout.num_latent_frames,
                  (config.latent_size // config.transformer.patch_size)**2))
        self.autoencoder = _autoencoder(config)
        self.fast_velocity: Velocity | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def sequence_shape(self) -> tuple[int, int, int, int]:
        """Shape of one latent sequence: (C, T, H, W)."""
        size = self.config.latent_size
        return (self.config.autoencoder.latent_channels, self.layout.num_latent_frames, size, size)

    def observation_encoder(self) -> ObservationEncoder:
        """Build the encoder of current images, for the weights as they are now."""
        return ObservationEncoder(
            self.autoencoder, self.layout, self.config.image_size_px, self.device)

    @torch.no_grad()
    def encode_text(self, embedding: Tensor) -> TextKeysValues:
        """Prepare a task embedding (M, *) once for all queries of that task."""
        return self.transformer.encode_text(embedding[None].to(self.device))

    def inject_proprio(self, latents: Tensor, proprio: Tensor) -> Tensor:
        """Return `latents` with the normalised joints (B, P) in their frame.

        The joints are rounded to the precision of the weights, as in training.
        """
        proprio = proprio.to(self.device, self.transformer.dtype)
        return inject_vector(latents, proprio, self.layout.proprio)

    def clean_mask(self, role: NetworkRole) -> Tensor:
        """Return 1 for the frames that a role keeps clean, 0 for the others. (1, 1, T, 1, 1)."""
        mask = torch.zeros(self.layout.num_latent_frames, device=self.device)
        mask[list(self.layout.clean_frames(role))] = 1
        return mask.view(1, 1, -1, 1, 1)

    def denoise(
        self, noisy: Tensor, sigma: float | Tensor, *, clean: Tensor, mask: Tensor,
        text: TextKeysValues, modulation: Modulation | None = None,
    ) -> Tensor:
        """Predict the clean sequence from a noisy one.

        Args:
            noisy: Noisy latents, float32. Shape (B, C, T, H, W).
            sigma: Noise level, one number or shape (B, 1, 1, 1, 1).
            clean: Latents whose clean frames are given, float32. Shape (1 or B, C, T, H, W).
            mask: 1 for clean frames. Shape (1 or B, 1, T, 1, 1).
            text: Keys and values of the task.
            modulation: That of sigma and mask, one for the batch; None to compute it.

        Returns:
            Prediction in float32, with the clean frames put in. Shape (B, C, T, H, W).
        """
        time = time_from_sigma(sigma)
        velocity = self.fast_velocity or self.transformer.velocity
        if modulation is None:
            modulation = self.transformer.modulate(_timesteps(mask, time))
            velocity = self.transformer.velocity
        output = velocity(
            network_input(noisy, clean, mask, time), modulation, text, mask).float()
        return clean_prediction(output, noisy, clean, mask, time, self.config.prediction)

    @torch.no_grad()
    def sample(
        self, clean: Tensor, *, role: NetworkRole, text: TextKeysValues, seeds: Sequence[int],
        num_steps: int | None = None, committed: Tensor | None = None,
    ) -> Tensor:
        """Sample one sequence per seed.

        Args:
            clean: Given latents; frames that the role denoises are ignored and may be missing at
                the end. Shape (1 or B, C, up to T, H, W).
            role: Decides which frames are clean.
            text: Keys and values of the task.
            seeds: Seed of the noise of each sample, B of them.
            num_steps: Denoising steps; the configured number by default.
            committed: Normalised actions that the chunks begin with, where the role denoises
                them; None for none. Shape (up to K, A).

        Returns:
            Latents in float32. Shape (B, C, T, H, W).
        """
        C, T, H, W = self.sequence_shape
        given = clean.to(self.device, torch.float32)
        clean = given.new_zeros(len(given), C, T, H, W)
        clean[:, :, :given.shape[2]] = given
        mask = self.clean_mask(role)
        # Members of an ensemble share seeds; drawing noise costs milliseconds each.
        unique = sorted(set(seeds))
        noise = unit_noise(unique, self.sequence_shape)[[unique.index(seed) for seed in seeds]]
        grid = {'num_steps': (self.config.num_denoising_steps if num_steps is None
                              else num_steps),
                'sigma_max': self.config.sigma_max, 'sigma_min': self.config.sigma_min}
        modulations = self._modulations(mask, call_sigmas(**grid))
        noise = noise.to(self.device)

        def denoiser(noisy: Tensor, sigma: float) -> Tensor:
            return self.denoise(
                noisy, sigma, clean=clean, mask=mask, text=text, modulation=modulations[sigma])

        if committed is not None and len(committed):
            known, is_known = self._known_actions(committed)
            denoiser, noise = holding(
                denoiser, noise, known=known, mask=is_known, sigma_max=self.config.sigma_max)
        return sample(denoiser, noise, **grid)

    def _known_actions(self, committed: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and mask of a sequence whose chunk begins so. Each (1, C, T, H, W)."""
        committed = committed.to(self.device, torch.float32)
        blank = committed.new_zeros(1, *self.sequence_shape)
        chunks = committed.new_zeros(2, self.config.chunk_size, self.config.action_dim)
        chunks[0, :len(committed)], chunks[1, :len(committed)] = committed, 1.0
        known, is_known = (inject_vector(blank, chunk[None], self.layout.action)
                           for chunk in chunks)
        return known, is_known.bool()

    def _modulations(self, mask: Tensor, sigmas: Sequence[float]) -> dict[float, Modulation]:
        """Compute the modulation of all noise levels at once."""
        times = [_timesteps(mask, time_from_sigma(sigma)) for sigma in sigmas]
        return dict(zip(sigmas, self.transformer.modulate(torch.cat(times)).rows()))

    def advance(self, latents: Tensor) -> Tensor:
        """Return the clean latents from which to look further than sampled sequences do.

        The imagined images become the current ones, without passing the autoencoder. The imagined
        joints are read and written anew, so that their frame holds exact copies of one vector, as
        in training.

        Args:
            latents: Sampled sequences. Shape (B, C, T, H, W).

        Returns:
            Blank, proprio and current view frames. Shape (B, C, T', H, W).
        """
        layout = self.layout
        advanced = latents[:, :, :layout.action].clone()
        for view, frame in layout.current_views.items():
            advanced[:, :, frame] = latents[:, :, layout.future_views[view]]
        return self.inject_proprio(advanced, self.future_proprio(latents))

    def action_chunk(self, latents: Tensor) -> Tensor:
        """Read the normalised action chunks (B, K, A) of sampled sequences."""
        shape = (self.config.chunk_size, self.config.action_dim)
        return extract_vector(latents, self.layout.action, shape[0] * shape[1]).unflatten(1, shape)

    def inject_action_chunk(self, latents: Tensor, chunks: Tensor) -> Tensor:
        """Return `latents` with the normalised action chunks (B, K, A) in their frame."""
        return inject_vector(latents, chunks.to(self.device), self.layout.action)

    def future_proprio(self, latents: Tensor) -> Tensor:
        """Read the normalised joints (B, P) that sampled sequences expect after the chunk."""
        return extract_vector(latents, self.layout.future_proprio, self.config.proprio_dim)

    def raw_value(self, latents: Tensor) -> Tensor:
        """Read the values (B,) of sampled sequences, nominally in [-1, 1]."""
        return extract_value(latents, self.layout.value)

    @torch.no_grad()
    def decode_future_images(self, latents: Tensor, blank: Tensor) -> dict[str, Tensor]:
        """Decode the imagined images of sampled sequences.

        Args:
            latents: Sampled sequences. Shape (B, C, T, H, W).
            blank: Encoded video up to the future proprio frame, before any injection; its frames
                replace the ones that hold vectors. Shape (1 or B, C, T', H, W).

        Returns:
            View to images of shape (B, 8 H, 8 W, 3), uint8.
        """
        restored = latents[:, :, :self.layout.value].clone()
        for frame in self.layout.blank_in_video:
            restored[:, :, frame] = blank[:, :, frame]
        video = self.autoencoder.decode(restored)
        images = {view: video[:, :, self.layout.first_video_frame(frame)]
                  for view, frame in self.layout.future_views.items()}
        return {view: uint8_from_video(image).permute(0, 2, 3, 1)
                for view, image in images.items()}


def _timesteps(mask: Tensor, time: float | Tensor) -> Tensor:
    """Time of each frame, 0 for clean ones. (1 or B, T)."""
    return ((1 - mask) * time)[:, 0, :, 0, 0]


def _autoencoder(config: ModelConfig) -> VideoAutoencoder:
    if isinstance(config.autoencoder, WanAutoencoderConfig):
        # Diffusers takes seconds to import; a model with patches does without it.
        from cosmos_policy_ros.diffusion.wan_autoencoder import WanAutoencoder
        return WanAutoencoder(config.autoencoder)
    return PatchAutoencoder()
