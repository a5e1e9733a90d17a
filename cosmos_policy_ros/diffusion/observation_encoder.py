# SPDX-License-Identifier: Apache-2.0
"""Encoding of the frames that condition: only what a query needs, bit by bit as in the whole.

The encoder is causal and the sequence starts with blank frames, so their latents and the state
after them are computed once. The frames after the current images are encoded only for a preview.

Legend: B batch, V views, S image side, F video frames, C channels, T latent frames, H W latent
size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cosmos_policy_ros.diffusion.latent_layout import LatentLayout, VIDEO_FRAMES_PER_LATENT
from cosmos_policy_ros.diffusion.video_autoencoder import (
    EncoderState, video_from_uint8, VideoAutoencoder)


@dataclass(frozen=True, kw_only=True)
class EncodedObservation:
    """Latents of one observation.

    Attributes:
        latents: Latents of the blank, proprio and current view frames. Shape (1, C, T, H, W).
        state: State of the encoder after them.
    """

    latents: Tensor
    state: EncoderState


def sequence_video(layout: LatentLayout, current: Tensor, future: Tensor) -> Tensor:
    """Lay out images as the video behind a whole latent sequence.

    Args:
        layout: The latent layout.
        current: Current images in the order of the views. Shape (B, V, S, S, 3), uint8.
        future: Images at the end of the chunk, or the current ones where they are unknown.

    Returns:
        Video of shape (B, 3, F, S, S), uint8, black where a frame holds no image.
    """
    frames = current.new_zeros(layout.num_latent_frames, *current[:, 0].shape)  # (T, B, S, S, 3)
    frames[list(layout.current_views.values())] = current.transpose(0, 1)
    frames[list(layout.future_views.values())] = future.transpose(0, 1)
    repeated = frames[1:].repeat_interleave(VIDEO_FRAMES_PER_LATENT, dim=0)
    return torch.cat((frames[:1], repeated)).permute(1, 4, 0, 2, 3)


class ObservationEncoder:
    """Encodes the current images of a latent sequence.

    Args:
        autoencoder: The image tokenizer.
        layout: The latent layout.
        image_size_px: Side of the square images in [px].
        device: Where to encode.
    """

    def __init__(
        self, autoencoder: VideoAutoencoder, layout: LatentLayout, image_size_px: int,
        device: torch.device,
    ) -> None:
        self._autoencoder = autoencoder
        self._layout = layout
        self._size = image_size_px
        self._device = device
        first_view = min(layout.current_views.values())
        self._blank = self._encode(
            self._blank_video(layout.video_frames_until(first_view)), None)

    @torch.no_grad()
    def encode(self, views: Tensor) -> EncodedObservation:
        """Encode the current images (V, S, S, 3), uint8, in the order of the layout's views."""
        frames = views.to(self._device).permute(3, 0, 1, 2)[None]  # (1, 3, V, S, S)
        video = frames.repeat_interleave(VIDEO_FRAMES_PER_LATENT, dim=2)
        encoded = self._encode(video_from_uint8(video), self._blank.state)
        return EncodedObservation(
            latents=torch.cat((self._blank.latents, encoded.latents), dim=2), state=encoded.state)

    @torch.no_grad()
    def encode_preview_frames(self, observation: EncodedObservation) -> Tensor:
        """Encode the blank action and future proprio frames that follow the current images.

        Returns:
            Latents of the observation and of these two frames. Shape (1, C, T, H, W).
        """
        num_frames = self._layout.future_proprio + 1 - observation.latents.shape[2]
        blank = self._blank_video(VIDEO_FRAMES_PER_LATENT * num_frames)
        encoded = self._encode(blank, observation.state)
        return torch.cat((observation.latents, encoded.latents), dim=2)

    def _blank_video(self, num_frames: int) -> Tensor:
        pixels = torch.zeros(
            (1, 3, num_frames, self._size, self._size), dtype=torch.uint8, device=self._device)
        return video_from_uint8(pixels)

    @torch.no_grad()
    def _encode(self, video: Tensor, state: EncoderState | None) -> EncodedObservation:
        latents, state = self._autoencoder.encode_more(video, state)
        return EncodedObservation(latents=latents, state=state)
