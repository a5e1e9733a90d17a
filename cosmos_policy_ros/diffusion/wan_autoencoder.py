# SPDX-License-Identifier: Apache-2.0
"""The Wan video autoencoder: pixels to normalised latents and back, in causal chunks.

Legend: B batch, C channels, T latent frames, F video frames, H W latent size.
"""

from __future__ import annotations

from collections.abc import Iterator

from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, WanCausalConv3d
import torch
from torch import nn, Tensor

from cosmos_policy_ros.diffusion.config import WanAutoencoderConfig
from cosmos_policy_ros.diffusion.latent_layout import VIDEO_FRAMES_PER_LATENT
from cosmos_policy_ros.diffusion.video_autoencoder import EncoderState


class WanAutoencoder(nn.Module):
    """The Wan network as a `VideoAutoencoder`; latents are the posterior's mode, normalised."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        self.wan = AutoencoderKLWan(
            base_dim=config.base_dim, z_dim=config.latent_channels,
            dim_mult=list(config.channel_multipliers), num_res_blocks=config.num_res_blocks,
            attn_scales=[], temperal_downsample=list(config.temporal_downsample))

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights, in which the autoencoder computes."""
        return self.wan.quant_conv.weight.dtype

    def encode(self, video: Tensor) -> Tensor:
        """Encode a whole video (B, 3, 1 + 4 n, 8 H, 8 W) in [-1, 1] as (B, C, 1 + n, H, W)."""
        return self.encode_more(video, None)[0]

    def encode_more(
        self, video: Tensor, state: EncoderState | None,
    ) -> tuple[Tensor, EncoderState]:
        """Encode the next frames; the state holds the last inputs of all causal convolutions."""
        convolutions = [None] * _count_causal_convolutions(self.wan.encoder)
        if state is not None:
            convolutions = list(state.memory)
        latents = []
        for chunk in _chunks(video.to(self.dtype), starts=state is None):
            hidden = self.wan.encoder(chunk, feat_cache=convolutions, feat_idx=[0])
            latents.append(self.wan.quant_conv(hidden).chunk(2, dim=1)[0])
        mean, std = self._channel_statistics()
        normalised = (torch.cat(latents, dim=2) - mean) / std
        return normalised.float(), EncoderState(memory=tuple(convolutions))

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, T, H, W) to video (B, 3, 1 + 4 (T - 1), 8 H, 8 W)."""
        mean, std = self._channel_statistics()
        latents = latents.to(self.dtype) * std + mean
        convolutions = [None] * _count_causal_convolutions(self.wan.decoder)
        frames = []
        for i in range(latents.shape[2]):
            hidden = self.wan.post_quant_conv(latents[:, :, i:i + 1])
            frames.append(self.wan.decoder(
                hidden, feat_cache=convolutions, feat_idx=[0], first_chunk=i == 0))
        return torch.cat(frames, dim=2).float()

    def _channel_statistics(self) -> tuple[Tensor, Tensor]:
        weight = self.wan.quant_conv.weight
        mean, std = (
            torch.tensor(values, dtype=self.dtype, device=weight.device).view(1, -1, 1, 1, 1)
            for values in (self.wan.config.latents_mean, self.wan.config.latents_std))
        return mean, std


def _count_causal_convolutions(network: nn.Module) -> int:
    return sum(isinstance(module, WanCausalConv3d) for module in network.modules())


def _chunks(video: Tensor, *, starts: bool) -> Iterator[Tensor]:
    if starts:
        yield video[:, :, :1]
    for first in range(int(starts), video.shape[2], VIDEO_FRAMES_PER_LATENT):
        yield video[:, :, first:first + VIDEO_FRAMES_PER_LATENT]
